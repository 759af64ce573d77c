import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jsonChunks } from '../../../src/ingest/writer/jsonChunks.ts'

it('gives every row once, in order, in arrays no longer than asked, but for a row that is longer by itself', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ text: fc.string() })), fc.integer({ min: 1, max: 200 }), (rows, most) => {
      const chunks = [...jsonChunks(rows, most)]
      expect(chunks.flatMap((chunk) => JSON.parse(chunk) as object[])).toEqual(rows)
      for (const chunk of chunks) expect(chunk.length <= most + 2 || (JSON.parse(chunk) as object[]).length === 1).toBe(true)
    }),
  )
})
