import { beforeAll, describe, expect, it } from 'vitest'
import { leg } from '../../support/leg.ts'
import { readNotebook } from '../../support/notebook.ts'

/** The notebook opens a database of its own, so one leg is all. What it has to find is what fiveWeeks.ts hides. */
describe.skipIf(leg.name !== 'embedded')("a service's week", () => {
  let told: string
  let page: string
  beforeAll(async () => {
    ;({ told, page } = await readNotebook('week'))
  })

  it('finds the outage, and nothing that is none', () => {
    expect(told).toMatch(/^9 of 2,016 .* the oddest at 2026-11-19 14:\d\d/m)
    expect(told).toContain('began at 2026-11-19 14:00.')
  })

  it('finds the deploy and what it cost', () => {
    expect(told).toMatch(/^Since 2026-11-17 10:00 answers take 1[456]\.\d % longer/m)
    expect(told).toContain('Verdict "up"')
  })

  it('says when the disk is full', () => {
    expect(told).toMatch(/At 2026-(11-29|11-30|12-01) \d\d:\d\d the line reaches 95 %/)
  })

  it('counts the budget and raises the alert that the outage deserves', () => {
    expect(told).toMatch(/8\d\.\d % of the budget is left/)
    expect(told).toContain('1 hour / 5 minutes: fires')
    expect(told).toContain('3 days / 6 hours: quiet')
  })

  it('writes the same with charts', () => {
    expect(page.match(/<svg /g)).toHaveLength(3)
    expect(page).toContain('What a deploy gate would have said')
  })
})
