import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { otlpRequest } from '../../../src/schema/otlp.ts'
import { wellFormedPayload } from '../../../src/schema/wellFormedOtlp.ts'
import { anyRequest } from './anyRequest.ts'

describe('a document without faults', () => {
  it('is read as the schema reads it, and any other document is not', () => {
    let [read, refused] = [0, 0]
    fc.assert(
      fc.property(anyRequest, (document) => {
        const expected = otlpRequest.safeParse(document)
        const payload = wellFormedPayload(document)
        expect(payload === undefined).toBe(!expected.success)
        expect(payload).toEqual(expected.data)
        if (expected.success) read += 1
        else refused += 1
      }),
      { numRuns: 2_000 },
    )
    expect(read).toBeGreaterThan(200)
    expect(refused).toBeGreaterThan(200)
  })

  it('has only the kinds of records that were given', () => {
    expect(Object.keys(wellFormedPayload({ resourceLogs: [] })!)).toEqual(['resourceLogs'])
  })

  it.each([null, 1, 'x', [], {}, { resourceSpans: null }, { resourceSpans: [[]] }])('is not %j', (document) => {
    expect(wellFormedPayload(document)).toBe(undefined)
  })
})
