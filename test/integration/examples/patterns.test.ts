import { beforeAll, describe, expect, it } from 'vitest'
import { leg } from '../../support/leg.ts'
import { readNotebook } from '../../support/notebook.ts'

/** The notebook opens a database of its own, so one leg is all. What it has to find is what writeLog.ts hides. */
describe.skipIf(leg.name !== 'embedded')('from a log file to its patterns', () => {
  let told: string
  let page: string
  beforeAll(async () => {
    ;({ told, page } = await readNotebook('patterns'))
  })

  /** What stands below a heading. */
  const below = (heading: string) => told.split(`\n${heading}`)[1]!.split(/\n\n(?=\S)/)[0]!

  it('reads every record and recognises the header', () => {
    expect(told).toContain('1,947 records, 0 problems.')
    expect(told).toContain('<level> <process.pid> --- [<_>] <logger> : <message>; times are Europe/Berlin.')
  })

  it('finds what is new, what bursts and what vanished since the deployment', () => {
    expect(below('What is new since 13:00 UTC')).toMatch(/^ {2}13:00 {2}187 {2}ERROR {2}payment of order .* failed/m)
    expect(below('What is new since 13:00 UTC')).not.toContain('retrying')
    expect(below('What bursts')).toMatch(/^ {2}187 {2}6 {2}13:55 {2}retrying payment of order/m)
    expect(below('What vanished')).toMatch(/^ {2}0 {2}60 {2}12:55 {2}price list/m)
    expect(below('What vanished')).not.toContain('items')
  })

  it('draws when it changed', () => {
    expect(page.match(/<svg /g)).toHaveLength(1)
    expect(page).toContain('deployment')
  })
})
