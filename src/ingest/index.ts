export { ingest, type IngestOptions, type IngestReport, type OtlpSource, type PlacedSource } from './ingest.ts'
export { inOrderOfTime } from './sources/inOrderOfTime.ts'
export { parseOtlpRequest, type MalformedLine, type OtlpRequest, type SourceObject } from './sources/otlpRequest.ts'
export { readOtlp, type ReadOtlpOptions } from './sources/readOtlp.ts'
export { rollUp, type RollUpOptions } from './rollups/rollUp.ts'
export { emptyReport, type RollupReport } from './rollups/rollupReport.ts'
export {
  windowMilliseconds,
  type CallRollup,
  type Locator,
  type MetricKind,
  type MetricRollup,
  type PatternRollup,
  type ResourceInput,
  type RollupWindow,
} from './rollups/rollupWindow.ts'
export type { TooOld } from './tooOld.ts'
export { writeRollups, type WriteRollupsOptions, type WrittenRollups } from './writeRollups.ts'
