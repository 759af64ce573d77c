import type { SelectQueryBuilder } from 'kysely'

/** A value of one of two samples of a series. */
export interface SampledPoint {
  series: string
  /** Whether it is of the candidate, not of the baseline. */
  candidate: boolean
  value: number
}

/** A query of the values of two samples. */
export type SampleFrame = SelectQueryBuilder<any, any, SampledPoint>
