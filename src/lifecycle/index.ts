export { timeTable, type TimeTable } from './timeTable.ts'
