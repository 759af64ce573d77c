export { rollupColumns, type InstalledFunction, type Rollup } from './rollup.ts'
export type { RollupPolicy, TimePolicy } from './timePolicy.ts'
export { timeTable, type TimeTable } from './timeTable.ts'
