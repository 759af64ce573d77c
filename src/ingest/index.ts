export { ingest, type IngestOptions, type IngestReport, type OtlpSource, type PlacedSource } from './ingest.ts'
export { inOrderOfTime } from './inOrderOfTime.ts'
export { parseOtlpRequest, type MalformedLine, type OtlpRequest, type SourceObject } from './otlpRequest.ts'
export { readOtlp, type ReadOtlpOptions } from './readOtlp.ts'
export { rollUp, type RollUpOptions } from './rollUp.ts'
export { emptyReport, type RollupReport } from './rollupReport.ts'
export {
  windowMilliseconds,
  type CallRollup,
  type Locator,
  type MetricKind,
  type MetricRollup,
  type PatternRollup,
  type ResourceInput,
  type RollupWindow,
} from './rollupWindow.ts'
export type { TooOld } from './tooOld.ts'
export { writeRollups, type WriteRollupsOptions, type WrittenRollups } from './writeRollups.ts'
