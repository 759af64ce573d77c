import { describe, expect, it } from 'vitest'
import { addDocuments, reembed, retrievalQuality, type Embed } from '../../../../src/knowledge/index.ts'
import { InvalidInputError } from '../../../../src/schema/errors.ts'
import { unitScope } from '../../../support/unitScope.ts'

const embedOf = (model: unknown) => Object.assign(async () => [], { model }) as unknown as Embed

describe.each([
  ['addDocuments', (embed: Embed) => addDocuments(unitScope(), [], { embed })],
  ['reembed', (embed: Embed) => reembed(unitScope(), { embed })],
  ['retrievalQuality', (embed: Embed) => retrievalQuality(unitScope(), { golden: [], embed })],
])('the model that embed names, to %s', (_, call) => {
  it.each([
    ['an object', {}, 'Invalid input'],
    ['a symbol', Symbol('m'), 'Invalid input'],
    ['null', null, 'Invalid input'],
    ['nothing at all', '', 'must not be empty, got ""'],
    ['as long as a book', 'm'.repeat(100_000), 'must be at most 255 bytes long'],
    ['no text that can be stored', 'a\u0000', 'must not contain the NUL character'],
    ['half a character', 'a\uD800', 'must be well-formed Unicode'],
  ])('is refused by name where it is %s', async (__, model, message) => {
    const calling = call(embedOf(model))
    await expect(calling).rejects.toThrow(InvalidInputError)
    await expect(calling).rejects.toThrow(`embed.model: ${message}`)
  })
})
