import { beforeAll, describe, expect, it } from 'vitest'
import { leg } from '../../support/leg.ts'
import { readNotebook } from '../../support/notebook.ts'

/** The notebook opens a database of its own, so one leg is all. What it has to find is what twoWeeks.ts hides. */
describe.skipIf(leg.name !== 'embedded')('what changed since last week', () => {
  let told: string
  let page: string
  beforeAll(async () => {
    ;({ told, page } = await readNotebook('changes'))
  })

  it('tells the two Sundays apart', () => {
    expect(told).toContain(
      '4 calls are new, 2 are gone, 15 are as they were. New in the graph: fraud-check. Gone from it: legacy-catalog, legacy.',
    )
  })

  it('says when each thing happened, also what was over again', () => {
    expect(told).toMatch(/2026-11-17 06:00 {2}changed {2}checkout {2}runs_on .*checkout:4\.1.*checkout:4\.2/)
    expect(told).toMatch(/2026-11-18 06:00 {2}vanished {2}inventory {2}calls {2}cache-1/)
    expect(told).toMatch(/2026-11-19 06:00 {2}appeared {2}inventory {2}calls {2}cache-1/)
    expect(told).toContain('from 2026-11-09 06:00 to 2026-11-18 06:00')
    expect(told.match(/^ {2}2026-11-\d\d \d\d:\d\d {2}(appeared|vanished|changed)/gm)).toHaveLength(12)
  })

  it('finds the cycle that the new calls closed, and no other', () => {
    expect(told).toContain('A week ago there were none.\nNow: checkout -> fraud-check -> customer -> checkout.\n')
  })

  it('says who newly depends on which machine', () => {
    expect(told).toMatch(/worker-2 {2}4 {2}7 {2}payment, customer, fraud-check/)
  })

  it('draws the difference', () => {
    expect(page.match(/<svg xmlns/g)).toHaveLength(1)
    for (const words of ['new (4)', 'gone (2)', 'unchanged (15)']) expect(page).toContain(words)
  })
})
