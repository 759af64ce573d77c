/** A time as a log has it: what is not written is undefined. */
export interface WrittenTime {
  year: number | undefined
  /** Month and day, from 1; without a date they do not count. */
  month: number
  day: number
  hasDate: boolean
  hour: number
  minute: number
  second: number
  nanosecond: number
  /** Minutes east of UTC, or an abbreviation with several meanings. */
  zone: number | string | undefined
  /** Nanoseconds since 1970: then nothing else counts. */
  epoch: bigint | undefined
}

export const emptyTime = (): WrittenTime => ({
  year: undefined,
  month: 1,
  day: 1,
  hasDate: false,
  hour: 0,
  minute: 0,
  second: 0,
  nanosecond: 0,
  zone: undefined,
  epoch: undefined,
})
