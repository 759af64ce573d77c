import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonObjects } from '../../../src/ingest/sources/jsonObjects.ts'
import { all } from './telemetry.ts'

/** What is found in a text: the line and the document, or the line and the problem. */
async function found(text: string | Uint8Array, { size = Infinity, maxBytes = 10_000 } = {}): Promise<[number, unknown][]> {
  const bytes = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / Math.min(size, bytes.length)) || 0 }, (_, index) =>
    bytes.subarray(index * size || 0, size === Infinity ? bytes.length : (index + 1) * size),
  )
  const pieces = await all(jsonObjects(Readable.from(chunks), maxBytes))
  return pieces.map((piece) => [piece.line, 'problem' in piece ? piece.problem : JSON.parse(Buffer.from(piece.bytes).toString())])
}

/** The same, and the same whatever the chunks. */
async function foundInAnyChunks(text: string, options: { maxBytes?: number } = {}): Promise<[number, unknown][]> {
  const whole = await found(text, options)
  for (const size of [1, 2, 3, 7, 40]) expect(await found(text, { ...options, size })).toEqual(whole)
  return whole
}

const a = { resourceSpans: [{ note: 'a "quoted" {[ \\ text' }] }
const b = { resourceLogs: [{ scopeLogs: [{ logRecords: [] }] }] }
const c = { resourceMetrics: [] }
const one = (value: unknown) => JSON.stringify(value)
const pretty = (value: unknown) => JSON.stringify(value, null, 2)

describe('the outermost objects of a JSON text', () => {
  it('are one a line', async () => {
    expect(await foundInAnyChunks(`${one(a)}\r\n\n  ${one(b)}  \n${one(c)}`)).toEqual([
      [1, a],
      [3, b],
      [4, c],
    ])
  })

  it('are over many lines, one after the other', async () => {
    expect(await foundInAnyChunks(`${pretty(a)}\n${pretty(b)}${one(c)}${one(a)}\n`)).toEqual([
      [1, a],
      [8, b],
      [18, c],
      [18, a],
    ])
  })

  it.each([
    ['on one line', one([a, b, c]), [1, 1, 1]],
    ['on many lines', pretty([a, b, c]), [2, 9, 20]],
    ['one element a line', `[\n${one(a)},\n${one(b)},\n${one(c)}\n]\n`, [2, 3, 4]],
    ['the comma first', `[${one(a)}\n,${one(b)}\n,${one(c)}]`, [1, 2, 3]],
    ['one after the other', `[${one(a)}] [${one(b)}]\n[]\n[${one(c)}]`, [1, 1, 3]],
  ])('are the elements of an array, %s', async (_, text, lines) => {
    const pieces = await foundInAnyChunks(text)
    expect(pieces.map(([, document]) => document)).toEqual([a, b, c])
    expect(pieces.map(([line]) => line)).toEqual(lines)
  })

  it('are the same in any layout', async () => {
    const layout = fc.constantFrom(one, pretty, (value: unknown) => JSON.stringify(value, null, '\t').replaceAll('\n', '\r\n'))
    const requests = fc.array(fc.tuple(fc.record({ resourceLogs: fc.jsonValue() }), layout), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(
        requests,
        fc.constantFrom(',', ' ', '\n', '', '\n,\n'),
        fc.integer({ min: 1, max: 200 }),
        async (list, between, size) => {
          const text = list.map(([value, write]) => write(value)).join(between)
          const expected = list.map(([value]) => JSON.parse(JSON.stringify(value)))
          expect((await found(text, { size })).map(([, document]) => document)).toEqual(expected)
          expect((await found(`[${text}]`, { size })).map(([, document]) => document)).toEqual(expected)
        },
      ),
    )
  })

  describe('where one breaks off', () => {
    it.each([
      ['in a text', one(a).slice(0, 29), /^not JSON: Unterminated string/],
      ['between fields', one(a).slice(0, 16), /^not JSON: /],
      ['behind an escape', '{"resourceLogs":"a\\', /^not JSON: /],
    ])('%s: the next line is read', async (_, broken, reason) => {
      expect(await foundInAnyChunks(`${one(b)}\n${broken}\n${one(b)}\n${one(c)}`)).toEqual([
        [1, b],
        [2, expect.stringMatching(reason)],
        [3, b],
        [4, c],
      ])
    })

    it('over many lines: the next that begins a request is read', async () => {
      const lines = pretty(b).split('\n')
      for (let kept = 1; kept < lines.length; kept += 1) {
        const broken = `${lines.slice(0, kept).join('\n')}\n`
        for (const next of [one, pretty]) {
          expect(await foundInAnyChunks(`${broken}${next(a)}\n${one(c)}`)).toEqual([
            [1, expect.stringMatching(/^not JSON: /)],
            [kept + 1, a],
            [kept + 1 + next(a).split('\n').length, c],
          ])
        }
      }
    })

    it('in an array: the other elements are read, and that it is not closed is said', async () => {
      expect(await foundInAnyChunks(`[${one(a)},\n{"resourceLogs": [,\n${one(b)},\n${one(c)}`)).toEqual([
        [1, a],
        [2, expect.stringMatching(/^not JSON: /)],
        [3, b],
        [4, c],
        [4, 'the array that begins in line 1 is not closed'],
      ])
    })

    it('at the end', async () => {
      expect(await foundInAnyChunks(`${one(a)}\n{"resourceLogs":\n[`)).toEqual([
        [1, a],
        [2, 'not JSON: Unexpected end of JSON input'],
      ])
    })
  })

  it('are found between rubbish, which is said once for each run of lines', async () => {
    expect(await foundInAnyChunks(`one\ntwo\n\nthree\n${one(a)} four\n${one(b)}\n}\n`)).toEqual([
      [1, expect.stringMatching(/^not JSON: .*"one".* \(and 2 lines after it\)$/)],
      [5, a],
      [5, expect.stringMatching(/^not JSON: .*"four"/)],
      [6, b],
      [7, expect.stringMatching(/^not JSON: /)],
    ])
  })

  it('are passed over where they are too long', async () => {
    const long = { resourceLogs: ['x'.repeat(200)] }
    for (const write of [one, pretty]) {
      for (const text of [`${write(a)}\n${write(long)}\n${write(b)}`, `[${write(a)},${write(long)},${write(b)}]`]) {
        const pieces = await foundInAnyChunks(text, { maxBytes: 150 })
        expect(pieces.map(([, document]) => document)).toEqual([a, 'longer than 150 bytes', b])
      }
    }
    const line = one(a) + one(b) + one(c)
    expect(await foundInAnyChunks(line, { maxBytes: line.length - 1 })).toHaveLength(3)
  })

  it('survive anything', async () => {
    const tokens = fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '\n', ' ', '"resourceLogs"', '{"resourceSpans":[]}', 'x', '1')
    await fc.assert(
      fc.asyncProperty(fc.array(tokens, { maxLength: 60 }), fc.integer({ min: 1, max: 30 }), async (parts, size) => {
        const text = parts.join('')
        const pieces = await found(text, { size, maxBytes: 50 })
        expect(pieces.every(([line]) => line >= 1 && line <= text.split('\n').length)).toBe(true)
        expect(await found(`${text}\n{"resourceLogs":[]}\n`, { size })).toContainEqual([text.split('\n').length + 1, { resourceLogs: [] }])
      }),
      { numRuns: 500 },
    )
  })
})
