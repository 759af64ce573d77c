import { expectTypeOf } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { callOddities } from '../../../src/incident/callOddities.ts'
import { rankSuspects, type SuspectEvidence } from '../../../src/incident/rankSuspects.ts'
import { rankBy } from '../../../src/ranking/rankBy.ts'
import { topK } from '../../../src/ranking/topK.ts'

declare const scope: Scope
const now = new Date()
const windows = { range: { from: now, to: now }, baseline: { from: now, to: now } }

const suspects = rankSuspects(scope, { service: 'urn:a', ...windows })
const [suspect] = await topK(scope, suspects, 3).execute()
expectTypeOf(suspect!.resource_id).toEqualTypeOf<string>()
expectTypeOf(suspect!.score).toEqualTypeOf<number>()
expectTypeOf(suspect!.path).toEqualTypeOf<string[]>()
expectTypeOf(suspect!.measure).toEqualTypeOf<string>()
expectTypeOf(suspect!.src_urn).toEqualTypeOf<string>()
expectTypeOf(suspect!.evidence).toEqualTypeOf<SuspectEvidence[]>()
expectTypeOf(suspect!.evidence[0]!.kind).toEqualTypeOf<'call' | 'metric' | 'pattern' | 'shape' | 'silence'>()
expectTypeOf(suspect!.evidence[0]!.src_urn).toEqualTypeOf<string | null>()

const [worst] = await rankBy(scope, callOddities(scope, windows), { item: 'dst_urn', score: 'rise' }).execute()
expectTypeOf(worst!.item).toEqualTypeOf<string>()
expectTypeOf(worst!.expected).toEqualTypeOf<number>()

// @ts-expect-error not a column of the finished rows
suspects.where('tenant_id', '=', '2')
// @ts-expect-error no meaning of a metric
rankSuspects(scope, { service: 'urn:a', ...windows, meanings: [{ metric: 'shop.good', means: 'goodness' }] })
// @ts-expect-error no kind of trouble
rankSuspects(scope, { service: 'urn:a', ...windows, trouble: 'slowness' })
