import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { distinctOver, overlap, retention, type Retention } from '../../../src/cardinality/index.ts'
import { sketch1d, sketch1h } from '../../../src/cardinality/sketchPolicy.ts'
import { tenantScope, type Scope } from '../../../src/database/index.ts'
import type { TimeRange } from '../../../src/index.ts'
import { freshDatabase, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { rollBefore } from '../../support/rollBefore.ts'
import { insertSketches, type SketchInput } from '../../support/sketches.ts'

const hour = 3_600_000
const day = 24 * hour
/** A Monday. */
const start = Date.UTC(2026, 7, 3)
const at = (time: number) => new Date(start + time)
const between = (from: number, to: number) => ({ from: at(from), to: at(to) })
const [web, api, cart] = ['urn:k8s:svc:shop/web', 'urn:k8s:svc:shop/api', 'urn:k8s:svc:shop/cart']
const days = 45

/** Of so many users each comes on some of the days, at one hour, to one of three services; every fifth request fails. */
function visits(users: number): SketchInput[] {
  const rows = new Map<string, { row: SketchInput; items: string[]; failed: string[] }>()
  for (let nth = 0; nth < days; nth += 1) {
    for (let user = 0; user < users; user += 1) {
      // A number that no pattern shows in, from the two.
      const chance = ((user + 1) * 2_654_435_761 + (nth + 1) * 40_503 * (user + 7)) % 9_973
      if (chance % 8 > 1) continue
      const resource = [web, api, cart][chance % 3]!
      const bucket = at(nth * day + (chance % 2) * 6 * hour)
      const key = `${resource} ${bucket.getTime()}`
      let group = rows.get(key)
      if (group === undefined) {
        const [items, failed]: [string[], string[]] = [[], []]
        rows.set(key, (group = { row: { bucket, resource, dimension: 'user', items, failed }, items, failed }))
      }
      group[chance % 5 === 0 ? 'failed' : 'items'].push(`u${user}`)
    }
  }
  return [...rows.values()].map(({ row }) => row)
}

interface Group {
  resource?: string | readonly string[]
  range: TimeRange
  measure?: 'distinct' | 'distinct_error'
}

function counted(rows: readonly SketchInput[], { resource, range, measure }: Group): Set<string> {
  const of = resource === undefined ? [web, api, cart] : [resource].flat()
  const met = rows.filter((row) => of.includes(row.resource) && row.bucket >= range.from && row.bucket < range.to)
  return new Set(met.flatMap(({ items, failed = [] }) => (measure === 'distinct_error' ? failed : [...items, ...failed])))
}

const common = (a: ReadonlySet<string>, b: ReadonlySet<string>) => [...a].filter((user) => b.has(user)).length

onEveryLeg('what groups have in common', () => {
  let test: TestDatabase
  const scopes: Record<string, Scope> = {}
  const [few, many] = [visits(60), visits(3_000)]
  const gap = [
    { bucket: at(0), resource: web, dimension: 'user', items: ['ada', 'bob'] },
    { bucket: at(2 * day), resource: web, dimension: 'user', items: ['ada'] },
  ]
  beforeAll(async () => {
    test = await freshDatabase()
    for (const [code, rows] of [
      ['few', few],
      ['many', many],
      ['gap', gap],
    ] as const)
      await insertSketches(await tenant(test.db, code), rows)
    for (const rollup of [sketch1h, sketch1d]) await rollBefore(await tenantScope(test.db, 'many'), rollup, at(30 * day))
    for (const code of ['few', 'many', 'gap']) scopes[code] = await tenantScope(test.db, code)
  })
  afterAll(() => test.close())

  const groups: [string, Group, Group][] = [
    ['two services', { resource: web, range: between(0, days * day) }, { resource: api, range: between(0, days * day) }],
    ['a service and a list', { resource: web, range: between(0, 20 * day) }, { resource: [api, cart], range: between(0, 20 * day) }],
    ['two weeks', { range: between(0, 7 * day) }, { range: between(7 * day, 14 * day) }],
    [
      'those who met an error, and those who were there before',
      { range: between(20 * day, 21 * day + 3 * hour), measure: 'distinct_error' },
      { range: between(0, 20 * day) },
    ],
    ['a group and itself', { range: between(0, 7 * day) }, { range: between(0, 7 * day) }],
  ]

  describe.each(groups)('of %s', (_, a, b) => {
    it('is exact for few', async () => {
      const [first, second] = [counted(few, a), counted(few, b)]
      const both = common(first, second)
      const union = first.size + second.size - both
      expect(await overlap(scopes.few!, { dimension: 'user', a, b }).execute()).toEqual([
        {
          a_count: first.size,
          a_standard_error: 0,
          b_count: second.size,
          b_standard_error: 0,
          union_count: union,
          union_standard_error: 0,
          intersection_count: both,
          intersection_standard_error: 0,
          jaccard: both / union,
          jaccard_standard_error: 0,
          a_share: both / first.size,
          a_share_standard_error: 0,
          b_share: both / second.size,
          b_share_standard_error: 0,
          noise: false,
        },
      ])
    })

    it('is within its errors for many', async () => {
      const [first, second] = [counted(many, a), counted(many, b)]
      const both = common(first, second)
      const [row] = await overlap(scopes.many!, { dimension: 'user', a, b }).execute()
      for (const [given, error, truth] of [
        [row!.a_count, row!.a_standard_error, first.size],
        [row!.b_count, row!.b_standard_error, second.size],
        [row!.union_count, row!.union_standard_error, first.size + second.size - both],
        [row!.intersection_count, row!.intersection_standard_error, both],
        [row!.jaccard, row!.jaccard_standard_error, both / (first.size + second.size - both)],
        [row!.a_share, row!.a_share_standard_error, both / first.size],
        [row!.b_share, row!.b_share_standard_error, both / second.size],
      ] as const) {
        expect(Math.abs(given - truth)).toBeLessThanOrEqual(4 * error + 1e-9)
      }
      expect(row!.noise).toBe(row!.intersection_standard_error > row!.intersection_count / 2)
      for (const noise of [true, false]) {
        const narrowed = await overlap(scopes.many!, { dimension: 'user', a, b }).where('noise', '=', noise).execute()
        expect(narrowed).toEqual(noise === row!.noise ? [row] : [])
      }
    })
  })

  it('has the sizes that distinctOver has', async () => {
    const range = between(0, 14 * day)
    const [size] = await distinctOver(scopes.many!, { dimension: 'user', resource: web, range }).execute()
    const [row] = await overlap(scopes.many!, { dimension: 'user', a: { resource: web, range }, b: { range } }).execute()
    expect([row!.a_count, row!.a_standard_error]).toEqual([size!.distinct_count, size!.standard_error])
  })

  it('is nothing where nothing came', async () => {
    const [row] = await overlap(scopes.many!, {
      dimension: 'user',
      a: { range: between(-7 * day, 0) },
      b: { range: between(0, day) },
    }).execute()
    expect(row).toMatchObject({ a_count: 0, intersection_count: 0, intersection_standard_error: 0, jaccard: 0, a_share: 0, noise: false })
    expect(row!.union_count).toBe(row!.b_count)
    const never = { range: between(-7 * day, 0) }
    expect(await overlap(scopes.many!, { dimension: 'user', a: never, b: never }).execute()).toMatchObject([{ union_count: 0, jaccard: 0 }])
    expect(await retention(scopes.many!, { range: between(-70 * day, -7 * day) }).execute()).toEqual([])
    expect(await retention(scopes.many!, { range: between(day, 2 * day) }).execute()).toEqual([])
  })

  /** When the periods of a range begin, and when the last ends. */
  const bounds = {
    day: Array.from({ length: 6 }, (_, nth) => at(nth * day)),
    week: Array.from({ length: 7 }, (_, nth) => at(nth * 7 * day)),
    month: [Date.UTC(2026, 8), Date.UTC(2026, 9), Date.UTC(2026, 10)].map((time) => new Date(time)),
  }
  describe.each(['day', 'week', 'month'] as const)('retention by %s', (by) => {
    const times = bounds[by]
    const maxPeriods = by === 'day' ? 3 : 12
    const range = { from: new Date(times[0]!.getTime() - 1), to: new Date(times.at(-1)!.getTime() - 1) }
    const cells = (rows: readonly SketchInput[]) =>
      times.slice(0, -1).flatMap((cohort, nth) => {
        const period = (at: number) => counted(rows, { range: { from: times[at]!, to: times[at + 1]! } })
        return times.slice(nth, -1).flatMap((_, later) => {
          const seen = period(nth)
          if (seen.size === 0 || later > maxPeriods) return []
          const retained = common(seen, period(nth + later))
          return [{ cohort, period: later, cohort_size: seen.size, retained, ratio: retained / seen.size }]
        })
      })

    it('is exact for few', async () => {
      const found = await retention(scopes.few!, { range, by, maxPeriods }).execute()
      expect(found).toEqual(cells(few).map((cell) => ({ ...cell, standard_error: 0, noise: false }) satisfies Retention))
    })

    it('is within its errors for many', async () => {
      const found = await retention(scopes.many!, { range, by, maxPeriods }).execute()
      const expected = cells(many)
      expect(found.map(({ cohort, period }) => [cohort, period])).toEqual(expected.map(({ cohort, period }) => [cohort, period]))
      found.forEach(({ period, ratio, retained, cohort_size, standard_error, noise }, nth) => {
        const truth = expected[nth]!
        expect(Math.abs(ratio - truth.ratio)).toBeLessThanOrEqual(4 * standard_error)
        expect(Math.abs(cohort_size - truth.cohort_size)).toBeLessThanOrEqual(0.1 * truth.cohort_size)
        expect(retained / cohort_size).toBeCloseTo(ratio, 12)
        expect(noise).toBe(standard_error > ratio / 2)
        if (period === 0) expect([ratio, standard_error]).toEqual([1, 0])
        else if (truth.retained > 0) expect(standard_error).toBeGreaterThan(0)
      })
    })
  })

  it('retention of one resource, narrowed and joined', async () => {
    const weeks = retention(scopes.few!, { range: between(0, 28 * day), resource: web })
    const rows = await weeks.where('period', '=', 1).execute()
    const [first, second] = [
      counted(few, { resource: web, range: between(0, 7 * day) }),
      counted(few, { resource: web, range: between(7 * day, 14 * day) }),
    ]
    expect(rows).toHaveLength(3)
    expect(rows[0]).toMatchObject({ cohort: at(0), cohort_size: first.size, retained: common(first, second) })
  })

  it('retention shows a period in which nobody came as one of which none is left', async () => {
    const found = await retention(scopes.gap!, { range: between(0, 3 * day), by: 'day' }).execute()
    expect(found.map(({ cohort, period, cohort_size, retained }) => [cohort.getUTCDate(), period, cohort_size, retained])).toEqual([
      [3, 0, 2, 2],
      [3, 1, 2, 0],
      [3, 2, 2, 1],
      [5, 0, 1, 1],
    ])
  })
})
