import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { directJson, directProtobuf } from '../../../src/ingest/sources/direct/directPayload.ts'
import { signals } from '../../../src/ingest/sources/protobuf/otlpMessages.ts'
import { wire } from '../../../src/ingest/sources/protobuf/wire.ts'
import { anyRequest } from '../schema/anyRequest.ts'
import { compare } from './bothWays.ts'
import { hostile } from './everyField.ts'
import { protobufOf } from './otlpProtobuf.ts'
import { bytesOf, copyOf, field, fixed64, messagesIn, treeOf, varint, type Node } from './wireTree.ts'

/** Chooses by a list of numbers, so that a failure shrinks. */
class Choices {
  readonly #numbers: readonly number[]
  #at = 0

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers
  }

  below(limit: number): number {
    return this.#numbers.length === 0 ? 0 : this.#numbers[this.#at++ % this.#numbers.length]! % limit
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** Once in so many times. */
  now(times: number): boolean {
    return this.below(times) === times - 1
  }
}

const choices = fc.array(fc.nat(9_973), { minLength: 1, maxLength: 60 })

const blanks = ['', '', '', '', ' ', '\n', '\t\r', '  ']
const unknownKeys = [
  'x  __proto__ constructor instrumentationLibrary logs instrumentationLibrarySpans later é time_unix_nano',
  '\\\\ \\" \\u0061ttributes traceI\\u0064 \\n resource_spans stringvalue \ud83e\udd8a',
].flatMap((keys) => keys.split(' '))
const unknownValues = [
  'null true -0 1e400 "x" "\\ud800" "\\\\" [] {} [null,{"":[]},"\\/"] {"a":1,"a":{"dataPoints":[]}} "time_unix_nano"',
  '01 "\\x" "\\u00g0" [1,] {"a"} {,} nul "\t" .5 "\u2028" {"dataPoints":[]}',
].flatMap((values) => values.split(' '))

/** JSON as nobody writes it: blanks, escapes, numbers in other forms, keys again, unknown keys. */
function oddJson(value: unknown, choose: Choices): string {
  const blank = () => choose.of(blanks)
  if (typeof value === 'string') return oddText(value, choose)
  if (typeof value === 'number') return oddNumber(value, choose)
  if (Array.isArray(value)) {
    const items = value.map((item) => `${blank()}${oddJson(item ?? null, choose)}${blank()}`)
    if (choose.now(200)) items.push('')
    return `[${items.join(',')}${items.length === 0 ? blank() : ''}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]) => [JSON.stringify(key), oddJson(member, choose)])
  if (choose.now(40)) members.push([`"${choose.of(unknownKeys)}"`, choose.of(unknownValues)])
  if (members.length > 0 && choose.now(100))
    members.push([choose.of(members)[0]!, choose.of(['null', '1', '"x"', '[]', choose.of(members)[1]!])])
  if (choose.now(3)) members.reverse()
  if (members.length > 0 && choose.now(100)) members[0]![0] = oddText(JSON.parse(members[0]![0]!) as string, choose)
  return `{${blank()}${members.map(([key, member]) => `${key}${blank()}:${blank()}${member}${blank()}`).join(`,${blank()}`)}}`
}

function oddText(text: string, choose: Choices): string {
  const written = JSON.stringify(text)
  if (!choose.now(4)) return written
  const escaped = Array.from({ length: text.length }, (_, at) => {
    const hex = text.charCodeAt(at).toString(16).padStart(4, '0')
    return `\\u${choose.now(2) ? hex.toUpperCase() : hex}`
  })
  return `"${choose.now(3) ? escaped.join('') : written.slice(1, -1) + choose.of(['\\u0000', '\\ud83e', '\\udd8a', '\\uD83E\\uDD8A', '\\/'])}"`
}

function oddNumber(value: number, choose: Choices): string {
  const written = JSON.stringify(value)
  if (!choose.now(4) || !/^-?\d+$/.test(written)) return written
  const other = [`${written}.0`, `${written}e0`, `${written}E+2`, `${written}00e-2`, `${written}.50`, '-0', '9007199254740993', '1e-7']
  return choose.of([...other, '123456789012345.6', '0.1234567890123456', '1234567890123456789', '00', '1.', '+1', '-', 'NaN', '-Infinity'])
}

/** Strange bytes that may be in UTF-8's place. */
const notUtf8 = ['c328', 'c0af', 'eda080', 'f4908080', 'e282', 'ff', 'efbbbf', 'c3a9', 'f09fa68a'].map((hex) => Buffer.from(hex, 'hex'))

describe('JSON as nobody writes it', () => {
  it('is read as the document gives it, or not straight from its bytes', () => {
    const requests = hostile.map((text): unknown => JSON.parse(text))
    let read = 0
    fc.assert(
      fc.property(fc.oneof(anyRequest, fc.constantFrom(...requests)), choices, (document, numbers) => {
        const choose = new Choices(numbers)
        const exact = JSON.parse(
          JSON.stringify(document, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)) ?? 'null',
        )
        let bytes = Buffer.from(oddJson(exact, choose))
        if (choose.now(8)) {
          const at = choose.below(bytes.length + 1)
          bytes = Buffer.concat([bytes.subarray(0, at), choose.of(notUtf8), bytes.subarray(at)])
        }
        // What is kept of a request must not change how the next is read.
        for (let time = 0; time < 3; time += 1) if (compare('json', bytes)) read += 1
      }),
      { numRuns: 200 },
    )
    expect(read).toBeGreaterThan(100)
  })
})

const requestType = { traces: signals.traces, metrics: signals.metrics, logs: signals.logs }
const trees = hostile.flatMap((text) => {
  const bytes = protobufOf(JSON.parse(text) as object)
  const signal = text.includes('resourceSpans') ? 'traces' : text.includes('resourceMetrics') ? 'metrics' : 'logs'
  const request = { ...requestType[signal].part, fields: new Map([[1, { number: 1, name: 'part', of: () => requestType[signal].part }]]) }
  return [{ bytes, request: request as unknown as typeof signals.traces.part }]
})

const strangers: readonly Node[] = [
  { number: 31, kind: wire.varint, content: Buffer.from('ffffffffffffffffff01', 'hex'), longer: 0 },
  { number: 31, kind: wire.varint, content: Buffer.from('ffffffffffffffffff7f', 'hex'), longer: 0 },
  { number: 31, kind: wire.varint, content: Buffer.from('80', 'hex'), longer: 0 },
  { number: 31, kind: wire.length, content: Buffer.from('x'), longer: 0 },
  { number: 31, kind: 3, content: Buffer.concat([varint(8), varint(1), varint(31 * 8 + 4)]), longer: 0 },
  { number: 31, kind: 4, content: Buffer.alloc(0), longer: 0 },
  { number: 31, kind: 7, content: Buffer.alloc(0), longer: 0 },
  { number: 0, kind: wire.varint, content: varint(1), longer: 0 },
  { number: 31, kind: wire.fixed32, content: Buffer.alloc(4), longer: 0 },
  { number: 2 ** 29 - 1, kind: wire.fixed64, content: Buffer.alloc(8), longer: 0 },
]

/** Changes the fields of a message, and keeps all lengths right. */
function change(nodes: Node[], all: Node[][], choose: Choices): void {
  const at = choose.below(nodes.length + 1)
  const node = nodes[at % Math.max(1, nodes.length)]
  const what = choose.below(12)
  if (what === 0) nodes.splice(at, 0, { ...choose.of(strangers) })
  else if (node === undefined) return
  else if (what === 1) nodes.reverse()
  else if (what === 2) nodes.push(copyOf(node))
  else if (what === 3) nodes.splice(at, 1)
  else if (what === 4) node.longer = 1 + choose.below(5)
  else if (what === 5) node.number = choose.of([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 1000])
  else if (what === 6) nodes.splice(at, 0, copyOf(choose.of(choose.of(all)) ?? node))
  else if (what === 7) node.content = []
  else if (what === 8) node.kind = choose.of([0, 1, 2, 5])
  else if (!Buffer.isBuffer(node.content)) change(node.content, all, choose)
  else if (what === 9) {
    const half = node.content.length >> 1
    nodes.splice(at, 0, { ...node, content: node.content.subarray(0, half) })
    node.content = node.content.subarray(half)
  } else if (what === 10 && node.content.length % 8 === 0) {
    // Numbers that are packed, one by one.
    const parts = Array.from({ length: node.content.length / 8 }, (_, part) => (node.content as Buffer).subarray(part * 8, part * 8 + 8))
    nodes.splice(at, 1, ...parts.map((content) => ({ ...node, kind: wire.fixed64, content })))
  } else if (node.kind === wire.varint) node.content = choose.of(strangers.slice(0, 3)).content
  else node.content = Buffer.concat([node.content, choose.of(notUtf8)])
}

describe('protobuf as nobody writes it', () => {
  it('is read as the document gives it, or not straight from its bytes', () => {
    let read = 0
    fc.assert(
      fc.property(fc.nat(trees.length - 1), choices, fc.integer({ min: 1, max: 4 }), (which, numbers, times) => {
        const choose = new Choices(numbers)
        const { bytes, request } = trees[which]!
        const tree = treeOf(bytes, request)
        const all = messagesIn(tree)
        for (let time = 0; time < times; time += 1) change(choose.of(all), all, choose)
        const changed = bytesOf(tree)
        for (let time = 0; time < 3; time += 1) if (compare('protobuf', changed)) read += 1
      }),
      { numRuns: 300 },
    )
    expect(read).toBeGreaterThan(150)
  })
})

describe('protobuf', () => {
  const attribute = (key: string) => [field(1, Buffer.from(key)), field(2, [field(1, Buffer.from('x'))])]
  const time = fixed64(3, Buffer.alloc(8, 1))
  const name = field(1, Buffer.from('m'))
  const request = (metric: Node, resource: Node[] = [], scope: Node[] = []) =>
    bytesOf([field(1, [field(1, resource), field(2, [field(1, scope), field(2, [name, metric])])])])
  const gauge = (...point: Node[]) => field(5, [field(1, point)])
  const histogram = (...point: Node[]) => field(9, [field(1, point)])
  const read = (bytes: Buffer) => Array.from({ length: 4 }, () => compare('protobuf', bytes)).at(-1)

  it('takes no list of another field for the one that it knows', () => {
    expect(read(request(gauge(time, field(7, attribute('a')), field(7, attribute('b')))))).toBe(true)
    expect(read(request(gauge(time), [field(1, attribute('a')), field(7, attribute('b'))]))).toBe(true)
  })

  it('takes no numbers one by one for packed ones that it knows', () => {
    const packed = Buffer.from('0807060504030201', 'hex')
    // After what is known, unknown fields.
    const rest = Buffer.from('8001008001007800', 'hex')
    const known = Buffer.concat([packed.subarray(1), Buffer.from([(12 << 3) | wire.fixed64])])
    expect(read(request(histogram(time, field(7, known), fixed64(12, rest))))).toBe(true)
    read(request(histogram(time, fixed64(7, packed), fixed64(12, rest))))
  })

  it('keeps bounds that are in several places', () => {
    const bounds = (bound: number) => field(7, Buffer.from(new Float64Array([bound]).buffer))
    read(request(histogram(time, bounds(1), bounds(2))))
    read(request(histogram(time, bounds(1), fixed64(11, Buffer.alloc(8)), bounds(2))))
  })

  it('nests no deeper in what nothing reads than the document may', () => {
    let value = [field(1, Buffer.from('x'))]
    for (let depth = 0; depth < 120; depth += 1) value = [field(5, [field(1, value)])]
    read(request(gauge(time), [], [field(3, [field(1, Buffer.from('k')), field(2, value)])]))
  })

  it.each([1, 2, 3, 4, 5, 8])('reads tags and lengths of %i more bytes as the document does', (longer) => {
    read(request({ ...gauge(time), longer }))
    read(request(gauge({ ...time, longer }, { ...field(7, []), longer })))
  })
})

const span = {
  traceId: '44c32e3f07e8cd6a87b06b898aeee415',
  spanId: '7acc052cdd623042',
  startTimeUnixNano: '1795798573189000001',
  attributes: [{ key: 'k', value: { stringValue: 'value'.repeat(20) } }],
}

it('takes no longer for each part of a request that has many', () => {
  const part = protobufOf({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ spans: [span] }] }] })
  const bytes = Buffer.concat(Array.from({ length: 20_000 }, () => part))
  expect(directProtobuf(bytes)?.resourceSpans).toHaveLength(20_000)
})

it.each([
  '{"resourceSpans":[{"scopeSpans":[{"instrumentationLibrary":"x","spans":[{}]}]}]}',
  '{"resourceLogs":[{"scopeLogs":[{"logs":5}]}]}',
])('leaves %s to the document, which refuses it', (text) => {
  expect(directJson(Buffer.from(text))).toBe(undefined)
})
