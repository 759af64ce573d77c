import { beforeAll, describe, expect, it } from 'vitest'
import { leg } from '../../support/leg.ts'
import { readNotebook } from '../../support/notebook.ts'

/** The notebook opens a database of its own, so one leg is all. */
describe.skipIf(leg.name !== 'embedded')('have we seen this before', () => {
  let told: string
  let page: string
  beforeAll(async () => {
    ;({ told, page } = await readNotebook('seen', { migrated: false }))
  })

  it('embeds a dozen runbooks with the offline model', () => {
    expect(told).toMatch(/^12 runbooks, (\d+) chunks, \1 texts embedded\.$/m)
    expect(told).toContain('The model runs in this process')
  })

  it("finds the right one from the incident's own words, by words and by embedding, and says why", () => {
    expect(told).toMatch(/^ {2}payment {2}payment provider took <\*> ms for order <\*>/m)
    expect(told).toMatch(/^Yes: Payment provider slow or not answering \(runbooks\/payment-provider-slow\.md\)\.$/m)
    expect(told).toMatch(/^ {2}Payment provider slow or not answering {2}1\.5 {2}no\. 1 {2}no\. 1 {2}payment provid .* {2}payment$/m)
    expect(told).toMatch(/^It says: .*\*\*payment\*\*/m)
  })

  it('finds it from a question in Chinese, by its words', () => {
    expect(told).toMatch(/^顾客付款超时.*\nFound: Payment provider slow or not answering\n/m)
    expect(told).toMatch(/^ {2}Payment provider slow or not answering {2}\d+\.\d {2}no\. 1 {2}- {2}.*支付/m)
  })

  it('embeds nothing twice', () => {
    expect(told).toMatch(/^12 runbooks unchanged, 0 texts embedded\.$/m)
    expect(told).toMatch(/^After one was edited: 1 replaced, 11 unchanged, 1 texts embedded\.$/m)
  })

  it('writes the same as a page', () => {
    expect(page).toContain('Payment provider slow or not answering')
  })
})
