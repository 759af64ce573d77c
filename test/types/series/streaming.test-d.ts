import { expectTypeOf } from 'vitest'
import { restoreDetectors, streamingDetector, streamingDetectors, type Judgement, type SeriesJudgement } from '../../../src/series/index.ts'

const detector = streamingDetector({ method: 'seasonal', season: '1 day' })
expectTypeOf(detector.observe).parameter(0).toEqualTypeOf<{ bucket: Date; value: number | null }>()
expectTypeOf(detector.observe({ bucket: new Date(), value: 1 })).toEqualTypeOf<Judgement | null>()
expectTypeOf<Judgement['direction']>().toEqualTypeOf<'up' | 'down'>()

const detectors = streamingDetectors({ method: 'surprise' })
expectTypeOf(detectors.observe({ series: 'a', bucket: new Date(), value: null })).toEqualTypeOf<SeriesJudgement | null>()
expectTypeOf(restoreDetectors).returns.toEqualTypeOf<typeof detectors>()

// @ts-expect-error an option of another method
streamingDetector({ method: 'surprise', window: '1 hour' })
