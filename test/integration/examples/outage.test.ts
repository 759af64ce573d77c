import { beforeAll, describe, expect, it } from 'vitest'
import { leg } from '../../support/leg.ts'
import { readNotebook } from '../../support/notebook.ts'

/** The notebook opens a database of its own, so one leg is all. What it has to find was injected into payment at 17:36:31. */
describe.skipIf(leg.name !== 'embedded')('an outage in pictures', () => {
  let told: string
  let page: string
  beforeAll(async () => {
    ;({ told, page } = await readNotebook('outage'))
  })

  it('finds since when, who, and the way there', () => {
    expect(told).toContain('Since 17:35 customers have waited longer')
    expect(told).toContain('payment, reached over frontend -> checkout -> payment.')
    expect(told).toMatch(/^ {2}payment {2}1 {2}p95_ms {2}75\.3 {2}3,8\d\d {2}ms {2}checkout$/m)
  })

  it('finds who is hit, and by how much', () => {
    expect(told).toMatch(/^ {2}checkout {2}1 {2}29 % {2}0\.17$/m)
    expect(told).not.toMatch(/^ {2}recommendation {2}/m)
  })

  it('has a graph that agrees with its source, and asks it in Cypher', () => {
    expect(told).toContain('agrees with the calls it was made of, edge by edge')
    expect(told).toMatch(/^ {2}checkout {2}payment {2}0\.48 {2}3797$/m)
  })

  it('writes the same with pictures, and a flowchart for the ticket', () => {
    expect(page).toContain('(suspect)')
    expect(page).toContain('on the way from symptom to suspect')
    expect(page).toContain('flowchart LR')
  })
})
