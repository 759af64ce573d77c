import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { dimensionItem, dimensionPresets, rollUp, type DimensionOptions } from '../../../src/ingest/index.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { Hll } from '../../../src/sketch/index.ts'
import { attributes, date, log, logs, rolledUp, spans, urn } from './telemetry.ts'

const hashKey = 'a key of these tests'
const hash = (value: string) => createHmac('sha256', hashKey).update(value).digest('hex').slice(0, 32)
const sketchOf = (...items: string[]) => {
  const sketch = Hll.create()
  for (const item of items) sketch.add(item)
  return sketch.toString()
}
const request = (id: string, values: Record<string, string | number | boolean>, more: object = {}) =>
  ({ id, kind: 'SERVER', from: 10, to: 11, with: values, ...more }) as const

async function sketches(options: DimensionOptions, ...payloads: object[]) {
  const { windows } = await rolledUp(payloads, options)
  return windows.flatMap((window) => window.sketches)
}

describe('the values of a dimension', () => {
  it('are counted by resource, those of failed requests apart', async () => {
    const rows = await sketches(
      { dimensions: ['endpoint'] },
      spans('web', [
        request('a', { 'http.route': '/cart' }),
        request('b', { 'http.route': '/cart' }, { failed: true }),
        request('c', { 'http.route': '/pay' }),
      ]),
      spans('cart', [request('d', { 'http.route': '/items' })]),
    )
    expect(rows).toEqual([
      {
        bucket: date(0),
        resource: urn('cart'),
        dimension: 'endpoint',
        countTotal: 1,
        countError: 0,
        distinct: sketchOf('/items'),
        distinctError: null,
        heavyHitters: { n: 1, offset: 0, counters: { '/items': 1 } },
      },
      {
        bucket: date(0),
        resource: urn('web'),
        dimension: 'endpoint',
        countTotal: 3,
        countError: 1,
        distinct: sketchOf('/cart', '/pay'),
        distinctError: sketchOf('/cart'),
        heavyHitters: { n: 3, offset: 0, counters: { '/cart': 2, '/pay': 1 } },
      },
    ])
  })

  it('count once for each request that a service gets, whatever spans are inside of it', async () => {
    const rows = await sketches(
      { dimensions: ['endpoint'] },
      spans('web', [request('a', { 'http.route': '/' }), request('b', { 'http.route': '/' }, { kind: 'INTERNAL', parent: 'a' })]),
    )
    expect(rows).toMatchObject([{ countTotal: 1 }])
  })

  it('are the same of a span that comes twice, and of any order', async () => {
    const [a, b] = [spans('web', [request('a', { 'http.route': '/a' })]), spans('web', [request('b', { 'http.route': '/b' })])]
    const again = spans('web', [request('a', { 'http.route': '/a' })], { more: 1 })
    const once = await sketches({ dimensions: ['endpoint'] }, a, b)
    expect(await sketches({ dimensions: ['endpoint'] }, b, again, a)).toEqual(once)
  })

  it('may be said by the resource, in several, and by numbers', async () => {
    const dimensions = [{ dimension: 'zone', from: ['cloud.zone', 'zone'] }]
    const list = spans('web', [request('a', {}), request('b', { zone: 7 })], { zone: 'eu-1' })
    Object.assign(list.resourceSpans[0]!.scopeSpans[0]!.spans[0]!, {
      attributes: [
        { key: 'cloud.zone', value: { arrayValue: { values: [{ stringValue: 'x' }, { stringValue: 'y' }, { stringValue: 'x' }] } } },
      ],
    })
    const [row] = await sketches({ dimensions }, list, spans('web', [request('c', {})], { zone: 'eu-1' }))
    expect(row!.heavyHitters).toEqual({ n: 4, offset: 0, counters: { x: 1, y: 1, 7: 1, 'eu-1': 1 } })
  })

  it('are read from log records and from the events of spans, where a dimension says so', async () => {
    const failing = spans('web', [request('a', {}, { kind: 'INTERNAL' })])
    Object.assign(failing.resourceSpans[0]!.scopeSpans[0]!.spans[0]!, {
      events: [{ name: 'exception', attributes: attributes({ 'exception.type': 'IOError' }) }],
    })
    const rows = await sketches(
      { dimensions: ['exception', { dimension: 'job', from: 'job', of: 'logs' }] },
      failing,
      logs('web', [log(20, 'a', 9, { job: 'nightly' }), log(21, 'b', 17, { job: 'nightly' })]),
    )
    expect(
      rows.map(({ dimension, countTotal, countError, heavyHitters }) => [dimension, countTotal, countError, heavyHitters.counters]),
    ).toEqual([
      ['exception', 1, 0, { IOError: 1 }],
      ['job', 2, 1, { nightly: 2 }],
    ])
  })

  it('are hashed before they are kept anywhere, where a dimension says so', async () => {
    const [row] = await sketches({ dimensions: ['user'], hashKey }, spans('web', [request('a', { 'enduser.id': 'ada' })]))
    expect(row!.heavyHitters.counters).toEqual({ [hash('ada')]: 1 })
    expect(row!.distinct).toBe(sketchOf(hash('ada')))
    expect(dimensionItem('ada', { hashKey })).toBe(hash('ada'))
    const [plain] = await sketches(
      { dimensions: [{ ...dimensionPresets.user, keep: 'value' }] },
      spans('web', [request('a', { 'user.id': 'ada' })]),
    )
    expect(plain!.heavyHitters.counters).toEqual({ ada: 1 })
  })

  it('may be hostile', async () => {
    const long = 'é'.repeat(5_000)
    const rows = await sketches(
      { dimensions: ['endpoint'] },
      spans('web', [
        request('a', { 'http.route': '__proto__' }),
        request('b', { 'http.route': 'nul\0 and \ud800' }),
        request('c', { 'http.route': long }),
        request('d', { 'http.route': `${long}!` }),
      ]),
    )
    const counters = Object.entries(rows[0]!.heavyHitters.counters)
    expect(counters.map(([, count]) => count)).toEqual([1, 1, 1, 1])
    expect(counters.map(([item]) => item)).toEqual(expect.arrayContaining(['__proto__', 'nul\uFFFD and \uFFFD']))
    expect(Math.max(...counters.map(([item]) => item.length))).toBeLessThan(250)
  })
})

describe('dimensions', () => {
  const of = (options: object) => () => rollUp([], options).next()

  it.each([
    [{ dimensions: ['user'] }, 'hashKey: is missing: user is stored as a hash'],
    [{ dimensions: ['user'], hashKey: 'short' }, 'hashKey: must have at least 16 characters, got 5, which are not shown'],
    [{ dimensions: ['user'], hashKey: 7 }, 'got number'],
    [{ dimensions: ['endpoint', { dimension: 'endpoint', from: 'x' }] }, 'dimensions: must each have a name of their own'],
    [{ dimensions: ['nobody'] }, "dimensions[0]: must be 'user', 'session', 'client', 'endpoint', 'exception', or one of your own"],
    [{ dimensions: [{ dimension: '', from: 'x' }] }, 'dimensions[0]'],
    [{ dimensions: [{ dimension: 'a', from: [] }] }, 'dimensions[0]'],
  ])('%j are refused', async (options, message) => {
    await expect(of(options)).rejects.toThrow(message)
  })

  it.each([{ hashKey: 'a secret' }, { hashKey: ['a secret'] }, { hashKey: 'a secret of enough characters', other: 1 }])(
    'do not show a key in an error: %#',
    async (options) => {
      const error: unknown = await of({ dimensions: ['user'], ...options })().catch((cause: unknown) => cause)
      expect(error).toBeInstanceOf(InvalidInputError)
      expect(String(error)).not.toContain('a secret')
    },
  )
})
