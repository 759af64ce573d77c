import { beforeAll, describe, expect, it } from 'vitest'
import { leg } from '../../support/leg.ts'
import { readNotebook } from '../../support/notebook.ts'

/** The notebook opens a database of its own, so one leg is all. How many came and were hit was counted in the recording itself, user by user. */
describe.skipIf(leg.name !== 'embedded')('who was affected', () => {
  let told: string
  let page: string
  beforeAll(async () => {
    ;({ told, page } = await readNotebook('who'))
  })

  it('finds how many met an error, and where', () => {
    expect(told).toMatch(/^62 of \d+ users met an error since 17:35: 12\.\d %, where 0\.0 % is usual\.$/m)
    expect(told).toMatch(/^ {2}payment {2}\d+ {2}62 {2}62 {2}62 {2}2\d\.\d % {2}0\.0 %$/m)
    expect(told).toMatch(/^ {2}cart {2}\d+ {2}0 {2}0 {2}0 {2}0\.0 % {2}0\.0 %$/m)
  })

  it('names the heaviest client: the crawler', () => {
    expect(told).toMatch(/Requests of the whole hour\..*\n {2}192\.0\.2\.200 {2}\d+ {2}\d+ {2}3\.\d %$/m)
  })

  it('finds that most of those who met an error had been there before', () => {
    expect(told).toMatch(/^Of the 62 users who met an error 5\d ± \d had been there in the time before\.$/m)
  })

  it('writes the same with a picture, and no user by name', () => {
    expect(page).toContain('met an error')
    expect(page).not.toMatch(/\bc\d{3}\b/)
  })
})
