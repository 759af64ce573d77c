import { describe, expect, it } from 'vitest'
import { bounded, saturated, weightedMean } from '../../../src/database/sql/bounded.ts'
import { oneLine } from '../../support/compiled.ts'

describe('arithmetic that never raises', () => {
  it('takes a number as zero or infinite where its products would leave the doubles', () => {
    expect(bounded('value')).toBe(
      "case when abs(value) < '1e-100'::float8 then 0 when abs(value) > '1e100'::float8 then value * 'Infinity'::float8 else value end",
    )
  })

  it('weighs what has a weight', () => {
    expect(oneLine(weightedMean('value', 'weight'))).toBe(
      oneLine(`
        sum((${bounded('value')}) * weight::float8) filter (where weight > 0)
          / nullif(sum(weight) filter (where value is not null), 0::numeric)::float8`),
    )
  })

  it('adds counts up to the largest there is', () => {
    expect(saturated('sum(calls)')).toBe('least(sum(calls), 9223372036854775807)')
  })
})
