import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { dimensionPresets, rollUp, writeRollups, type IngestWindow, type WrittenRollups } from '../../../src/ingest/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { all, requests } from '../../unit/ingest/telemetry.ts'
import { everything } from '../faults/everything.ts'
import { recording } from '../faults/recording.ts'

type List = 'metrics' | 'calls' | 'patterns' | 'sketches'
const lists = ['metrics', 'calls', 'patterns', 'sketches'] as const

/** A field of a row, and a value that cannot be stored in it. */
const flaws: Record<List, readonly (readonly [field: string, value: unknown])[]> = {
  metrics: [
    ['bucket', new Date(0)],
    ['bucket', new Date(Number.NaN)],
    ['resource', 'urn:unknown'],
    ['metric', ''],
    ['metric', 'x\0'],
    ['metric', 'é'.repeat(128)],
    ['labels', { a: 'x\0' }],
    ['labels', { a: Number.NaN }],
    ['labels', { 'b\ud800': 1 }],
    ['labels', undefined],
    ['unit', 7],
    ['kind', 'gauges'],
    ['avg', '1'],
    ['sampleCount', -1],
    ['sampleCount', 1.5],
    ['histogram', [99, 1, 1]],
    ['histogram', 'x'],
  ],
  calls: [
    ['bucket', new Date(0)],
    ['from', 'urn:unknown'],
    ['to', null],
    ['callCount', 2 ** 64],
    ['errorCount', 1e6],
    ['errRate', 1.1],
    ['p95Ms', {}],
    ['histogram', [5, 1]],
    ['calleeCount', -1],
    ['calleeHistogram', [5, 1, 0]],
    ['locator', 99],
  ],
  patterns: [
    ['resource', 'urn:unknown'],
    ['maskedLine', 'a\0b'],
    ['sampleMessage', '\udc00'],
    ['severity', 'LOUD'],
    ['attrsSchema', { a: 7 }],
    ['countTotal', 1e30],
    ['countError', 1e6],
    ['firstSeen', new Date(8.64e15)],
    ['lastSeen', '2026-01-01'],
    ['locator', -1],
  ],
  sketches: [
    ['resource', 'urn:unknown'],
    ['dimension', 'x'.repeat(256)],
    ['countTotal', -1],
    ['countError', 1e9],
    ['distinct', 5],
    ['heavyHitters', []],
    // Only the database knows.
    ['distinct', '\\x00'],
    ['distinct', 'no hexadecimal'],
    ['distinctError', '\\xffff'],
    ['heavyHitters', { n: -1 }],
    ['countTotal', 2 ** 50],
  ],
}

onEveryLeg('rows that cannot be stored', () => {
  let test: TestDatabase
  let scope: Scope
  let window: IngestWindow
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
    const windows = await all(
      rollUp(requests(recording({ minutes: 10 })), { dimensions: ['endpoint', { ...dimensionPresets.user, keep: 'value' }] }),
    )
    window = windows[1]!
    // Lines of their own, so that one that is left out changes no other pattern.
    window.patterns = window.resources.flatMap(({ urn }, service) =>
      ['red', 'green', 'blue'].map((colour) => ({
        ...window.patterns[0]!,
        resource: urn,
        maskedLine: `${colour} lamp ${'on '.repeat(service)}`,
      })),
    )
  })
  beforeEach(async () => {
    scope = await tenant(test.db, `t-${++tenants}`)
  })
  afterAll(() => test.close())

  const sums = ({ written, unchanged, tooOld, rejected }: WrittenRollups) =>
    Object.fromEntries(lists.map((list) => [list, written[list] + unchanged[list] + tooOld[list] + rejected[list]]))
  const given = (of: IngestWindow) => Object.fromEntries(lists.map((list) => [list, of[list].length]))

  /** Does work while a constraint refuses rows of a table. */
  async function refusing(table: string, condition: string, work: () => Promise<void>) {
    await sql`create function ${scope.id('refuse')}() returns trigger language plpgsql as ${sql.lit(
      `begin if ${condition} then raise exception 'we do not take this' using errcode = 'check_violation', constraint = 'ours'; end if; return new; end`,
    )}`.execute(test.db)
    await sql`create trigger refuses before insert or update on ${scope.id(table)} for each row execute function ${scope.id('refuse')}()`.execute(
      test.db,
    )
    try {
      await work()
    } finally {
      await sql`drop function ${scope.id('refuse')}() cascade`.execute(test.db)
    }
  }

  it.each(lists)('are left out, named by row and field, and all others are written: %s', async (list) => {
    const other = await tenant(test.db, `t-${++tenants}`)
    const at = window[list].length >> 1
    await writeRollups(other, { ...window, [list]: window[list].filter((_, index) => index !== at) })
    const others = await everything(other)
    for (const [field, value] of flaws[list]) {
      const one = await tenant(test.db, `t-${++tenants}`)
      const rows = window[list].map((row, index) => (index === at ? { ...row, [field]: value } : row))
      const report = await writeRollups(one, { ...window, [list]: rows })
      expect([field, value, await everything(one)]).toEqual([field, value, others])
      expect(report.rejected).toEqual({ resources: 0, locators: 0, metrics: 0, calls: 0, patterns: 0, sketches: 0, [list]: 1 })
      expect(sums(report)).toEqual(given(window))
      const [rejection] = report.rejections
      expect(report.rejections).toEqual([
        { list, field: rejection!.field, rows: 1, example: rejection!.example, reason: rejection!.reason },
      ])
      expect(rejection!.example).toContain(`${list}[${at}]`)
      if (rejection!.field !== null) expect(rejection).toMatchObject({ field, reason: expect.stringMatching(/^(?:must|has)/) })
      // Written again, what is left out stays out.
      expect(await writeRollups(one, { ...window, [list]: rows })).toMatchObject({
        written: { metrics: 0, calls: 0, patterns: 0, sketches: 0 },
        rejected: { [list]: 1 },
      })
    }
  })

  it('are counted in any mixture, and what is written is what it would be without them', async () => {
    const flawed = fc.uniqueArray(
      fc
        .constantFrom(...lists)
        .chain((list) =>
          fc.record({ list: fc.constant(list), at: fc.nat(window[list].length - 1), flaw: fc.constantFrom(...flaws[list]) }),
        ),
      { minLength: 1, maxLength: 8, selector: ({ list, at }) => `${list} ${at}` },
    )
    await fc.assert(
      fc.asyncProperty(flawed, async (chosen) => {
        const [one, other] = [await tenant(test.db, `t-${++tenants}`), await tenant(test.db, `t-${++tenants}`)]
        const mixed = { ...window }
        const rest = { ...window }
        for (const list of lists) {
          const here = new Map(chosen.filter((one) => one.list === list).map(({ at, flaw }) => [at, flaw]))
          Object.assign(mixed, {
            [list]: window[list].map((row, at) => (here.has(at) ? { ...row, [here.get(at)![0]]: here.get(at)![1] } : row)),
          })
          Object.assign(rest, { [list]: window[list].filter((_, at) => !here.has(at)) })
        }
        const report = await writeRollups(one, mixed)
        await writeRollups(other, rest)
        expect(await everything(one)).toEqual(await everything(other))
        expect(sums(report)).toEqual(given(window))
        for (const list of lists) expect(report.rejected[list]).toBe(chosen.filter((one) => one.list === list).length)
      }),
      { numRuns: 12 },
    )
  })

  it('of a resource that cannot be stored go with it; a locator that cannot be stored goes alone', async () => {
    const [first] = window.resources
    const report = await writeRollups(scope, {
      ...window,
      resources: window.resources.map((resource) => (resource === first ? { ...first, name: '' } : resource)),
      locators: window.locators.map((locator) => (locator.dataset === 'logs' ? { ...locator, objectKey: 'x\0' } : locator)),
    })
    expect(report).toMatchObject({ resources: window.resources.length - 1, rejected: { resources: 1, locators: 1 } })
    expect(report.rejections[0]).toMatchObject({
      list: 'resources',
      field: 'name',
      example: 'resources[0].name',
      reason: 'must not be empty',
    })
    expect(report.rejections.every(({ field }) => ['name', 'objectKey', 'resource', 'from', 'to'].includes(field!))).toBe(true)
    expect(sums(report)).toEqual(given(window))
    const { resources, counts, calls } = await everything(scope)
    expect(resources).not.toContainEqual(expect.objectContaining({ urn: first!.urn }))
    expect(counts).toHaveLength(window.patterns.filter(({ resource }) => resource !== first!.urn).length)
    for (const row of counts) expect(row).toMatchObject({ sample: { dataset: null } })
    for (const row of calls) expect(row).toMatchObject({ sample: { dataset: 'traces' } })
  })

  it.each([
    ['dim_resource', `new.urn like '%cart'`, 'resources'],
    ['metric_1m', `new.metric = 'queue' and new.labels ->> 'shard' = '0'`, 'metrics'],
    ['service_call_5m', 'new.call_count % 2 = 0', 'calls'],
    ['log_pattern', `new.pattern like 'red%'`, 'patterns'],
    ['log_pattern_5m', 'new.resource_id % 2 = 0', 'patterns'],
    ['sketch_5m', `new.dimension = 'user'`, 'sketches'],
    ['oo_locator', `new.dataset = 'logs'`, 'locators'],
  ] as const)('for a rule of the database on %s are found among the others', async (table, condition, list) => {
    const clean = await tenant(test.db, `t-${++tenants}`)
    await writeRollups(clean, window)
    await refusing(table, condition, async () => {
      const report = await writeRollups(scope, window)
      expect(report.rejected[list]).toBeGreaterThan(0)
      expect(report.rejections[0]).toMatchObject({ list, field: null, reason: 'we do not take this' })
      expect(sums(report)).toEqual(given(window))
    })
    // What was left out is all that is missing.
    await writeRollups(scope, window)
    expect(await everything(scope)).toEqual(await everything(clean))
  })

  it("are found at a constraint that is checked at the commit, and in a caller's transaction", async () => {
    await sql`create function ${scope.id('refuse')}() returns trigger language plpgsql as ${sql.lit(
      `begin if new.name = 'cart' then raise exception 'no carts' using errcode = 'P0001'; end if; return null; end`,
    )}`.execute(test.db)
    try {
      await sql`create constraint trigger refuses after insert on ${scope.id('dim_resource')} deferrable initially deferred
        for each row execute function ${scope.id('refuse')}()`.execute(test.db)
      const report = await writeRollups(scope, window)
      expect(report).toMatchObject({ rejected: { resources: 1 } })
      expect(sums(report)).toEqual(given(window))
    } finally {
      await sql`drop function ${scope.id('refuse')}() cascade`.execute(test.db)
    }
    const own = await tenant(test.db, `t-${++tenants}`)
    await refusing('metric_1m', `new.metric = 'queue'`, async () => {
      const report = await own.db.transaction().execute((db) => writeRollups({ ...own, db }, window))
      expect(report.rejected.metrics).toBe(window.metrics.filter(({ metric }) => metric === 'queue').length)
      expect((await everything(own)).metrics).toHaveLength(window.metrics.length - report.rejected.metrics)
    })
  })

  it('because their key came before are left out: the first counts', async () => {
    const [metric] = window.metrics
    const twice = {
      ...window,
      metrics: [...window.metrics, { ...metric!, avg: 4711, labels: Object.fromEntries(Object.entries(metric!.labels).reverse()) }],
      calls: [...window.calls, { ...window.calls[1]!, p50Ms: 4711 }],
      sketches: [...window.sketches, window.sketches[0]!],
    }
    const report = await writeRollups(scope, twice)
    expect(report.rejected).toMatchObject({ metrics: 1, calls: 1, sketches: 1 })
    expect(report.rejections).toContainEqual({
      list: 'calls',
      field: null,
      reason: 'has the same key as a row before it',
      rows: 1,
      example: `calls[${window.calls.length}]`,
    })
    const clean = await tenant(test.db, `t-${++tenants}`)
    await writeRollups(clean, window)
    expect(await everything(scope)).toEqual(await everything(clean))
  })

  it('have at most twenty reasons in a report, and are all counted', async () => {
    const metrics = window.metrics.map((row, at) => ({ ...row, labels: { ...row.labels, [`key ${at}`]: '\0' } }))
    const calls = window.calls.map((row) => ({ ...row, from: 'urn:unknown' }))
    const report = await writeRollups(scope, { ...window, metrics, calls })
    expect(report.rejected).toMatchObject({ metrics: metrics.length, calls: calls.length })
    expect(report.rejections).toMatchObject([
      { list: 'metrics', field: 'labels', rows: metrics.length, example: 'metrics[0].labels["key 0"]' },
      { list: 'calls', field: 'from', rows: calls.length },
    ])
  })

  it('are not told apart from a window that is none', async () => {
    const wrong = (change: object) => writeRollups(scope, { ...window, ...change })
    await expect(wrong({ to: window.from })).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'window.to' })
    await expect(wrong({ from: new Date(window.from.getTime() + 1) })).rejects.toMatchObject({ field: 'window.from' })
    await expect(wrong({ calls: undefined })).rejects.toMatchObject({ field: 'window.calls' })
    await expect(wrong({ metrics: [null] })).resolves.toMatchObject({
      rejections: [{ example: 'metrics[0]', reason: 'must be an object' }],
    })
  })
})
