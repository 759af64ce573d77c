import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { ingest } from '../../../src/ingest/ingest.ts'
import { rollUp } from '../../../src/ingest/rollUp.ts'
import { writeRollups } from '../../../src/ingest/writer/writeRollups.ts'
import { newPatterns } from '../../../src/logs/newPatterns.ts'
import { patternDiversity } from '../../../src/logs/patternDiversity.ts'
import { patternSeries } from '../../../src/logs/patternSeries.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { fillDisk } from '../../support/fillDisk.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { all, date, log, logs, requests } from '../../unit/ingest/telemetry.ts'

const names = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta']
const ended = (name: string) => `session of ${name} has ended`
const range = { from: date(0), to: date(3600) }

/** Log records of one service, as a request. */
const said = (records: readonly (readonly [seconds: number, message: string])[], service = 'a') =>
  logs(
    service,
    records.map(([seconds, message]) => log(seconds, message)),
  )

async function write(scope: Scope, ...payloads: ReturnType<typeof said>[]): Promise<void> {
  for await (const window of rollUp(requests(payloads))) await writeRollups(scope, window)
}

/** How often each pattern was logged, by its text now. */
async function counted(scope: Scope): Promise<Record<string, number>> {
  const points = await patternSeries(scope, { measure: 'count_total', range }).execute()
  const counts: Record<string, number> = {}
  for (const { series, value } of points) counts[series] = (counts[series] ?? 0) + value!
  return counts
}

interface Stored {
  fingerprint_id: string
  pattern: string
  redirect_id: string | null
  first_seen: Date | null
}
const stored = async ({ db, id, tenantId }: Scope) =>
  (
    await sql<Stored>`
      select fingerprint_id::text, pattern, redirect_id::text, first_seen from ${id('log_pattern')}
      where tenant_id = ${tenantId}::int8 order by fingerprint_id
    `.execute(db)
  ).rows

onEveryLeg('the templates of a tenant', () => {
  let test: TestDatabase
  let scope: Scope
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
    await fillDisk(test.db, 'log_pattern_5m', 'new.count_total % 4711 = 0')
  })
  beforeEach(async () => {
    scope = await tenant(test.db, `t-${++tenants}`)
  })
  afterAll(() => test.close())
  /** As another process sees it. */
  const elsewhere = () => tenantScope(test.db, scope.tenantCode)

  it('become one once a word has enough values, and keep their counts and history', async () => {
    await write(scope, said(names.slice(0, 5).map((name, at) => [at, ended(name)])))
    expect(await counted(scope)).toEqual(Object.fromEntries(names.slice(0, 5).map((name) => [ended(name), 1])))
    const [first] = await stored(scope)
    await write(scope, said([[900, ended('zeta')]]), said([[901, ended('nobody yet')]], 'b'))
    expect(await counted(scope)).toEqual({ 'session of <*> has ended': 6, 'session of nobody yet has ended': 1 })
    const { pattern, first_seen } = (await stored(scope)).find(({ pattern }) => pattern.includes('<*>'))!
    expect({ pattern, first_seen }).toEqual({ pattern: 'session of <*> has ended', first_seen: date(0) })
    // What is known by an id that it had before is found by it.
    const points = await patternSeries(scope, { fingerprintId: first!.fingerprint_id, measure: 'count_total', range }).execute()
    expect(points.map(({ bucket, value }) => [bucket, value])).toEqual([
      [date(0), 5],
      [date(900), 1],
    ])
    expect(await newPatterns(scope, { range: { from: date(900), to: date(1200) } }).execute()).toMatchObject([
      { pattern: 'session of nobody yet has ended' },
    ])
    expect(await patternDiversity(scope, { range }).execute()).toMatchObject([
      { urn: 'urn:k8s:svc:shop/a', pattern_count: 1, count_total: 6 },
      { urn: 'urn:k8s:svc:shop/b', pattern_count: 1, count_total: 1 },
    ])
  })

  it('do not count a window twice that is written again after they became one', async () => {
    const window = said(names.slice(0, 3).map((name, at) => [at, ended(name)]))
    await write(scope, window)
    await write(scope, said(names.slice(3).map((name, at) => [300 + at, ended(name)])))
    await write(await elsewhere(), window)
    await write(scope, window)
    expect(await counted(scope)).toEqual({ 'session of <*> has ended': 8 })
  })

  it('become part of a more general one again, and what redirected to them follows', async () => {
    const cities = ['oslo', 'rome', 'bern', 'kyiv', 'lima', 'cairo']
    const from = (name: string, city: string) => `login of ${name} from ${city} today`
    for (const [at, city] of cities.entries()) {
      await write(scope, said(names.map((name) => [300 * at, from(name, city)])))
    }
    await write(await elsewhere(), said([[1800, from('alpha', 'oslo')]]))
    expect(await counted(scope)).toEqual({ 'login of <*> from <*> today': 49 })
    const rows = await stored(scope)
    const current = rows.find(({ pattern }) => pattern === 'login of <*> from <*> today')!
    expect(new Set(rows.map(({ redirect_id }) => redirect_id))).toEqual(new Set([null, current.fingerprint_id]))
    expect(rows.filter(({ redirect_id }) => redirect_id === null)).toEqual([current])
  })

  it('are the same to a process that begins, which gives every line the id that it had', async () => {
    const lines = [...names.map(ended), 'started', 'took 7 ms', 'circuit is open', 'circuit is closed']
    await write(scope, said(lines.map((line, at) => [at, line])))
    const ids = async () => (await stored(scope)).map(({ first_seen: _, ...row }) => row)
    const before = await ids()
    const written = await counted(scope)
    await write(await elsewhere(), said([...lines, ended('iota')].toReversed().map((line, at) => [at, line])))
    expect(await ids()).toEqual(before)
    expect(await counted(scope)).toEqual({ ...written, 'session of <*> has ended': 9 })
  })

  it('are not those of a transaction that was rolled back', async () => {
    const lines = said(names.map((name, at) => [at, ended(name)]))
    const [window] = await all(rollUp(requests([lines])))
    const broken = { ...window!, patterns: window!.patterns.map((row) => ({ ...row, countTotal: 4711 })) }
    await expect(writeRollups(scope, broken)).rejects.toThrow()
    expect(await stored(scope)).toEqual([])
    await write(scope, said([[0, ended('alpha')]]))
    expect(await counted(scope)).toEqual({ [ended('alpha')]: 1 })
    await write(scope, lines)
    expect(await counted(scope)).toEqual({ 'session of <*> has ended': 8 })
  })

  it('are not those of a part of a transaction that failed', async () => {
    const [window] = await all(rollUp(requests([said(names.map((name, at) => [at, ended(name)]))])))
    const broken = { ...window!, patterns: window!.patterns.map((row) => ({ ...row, countTotal: 4711 })) }
    await scope.db.transaction().execute(async (db) => {
      const within = { ...scope, db }
      await sql`savepoint before`.execute(db)
      await expect(writeRollups(within, broken)).rejects.toThrow()
      await sql`rollback to savepoint before`.execute(db)
      await write(within, said([[0, ended('alpha')]]))
      await writeRollups(within, window!)
    })
    expect(await counted(scope)).toEqual({ 'session of <*> has ended': 8 })
    await scope.db.transaction().execute(async (db) => {
      await sql`savepoint before`.execute(db)
      await write({ ...scope, db }, said(names.map((name, at) => [at, `${ended(name)} again`])))
      await sql`rollback to savepoint before`.execute(db)
      await write({ ...scope, db }, said([[300, `${ended('alpha')} again`]]))
    })
    expect(await counted(scope)).toEqual({ 'session of <*> has ended': 8, [`${ended('alpha')} again`]: 1 })
  })

  it('are those of one tenant alone', async () => {
    const other = await tenant(test.db, `t-${++tenants}`)
    await write(other, said(names.map((name, at) => [at, ended(name)])))
    await write(scope, said([[0, ended('alpha')]]))
    expect(await counted(scope)).toEqual({ [ended('alpha')]: 1 })
  })

  it('do not depend on which of their lines came first', async () => {
    const other = await tenant(test.db, `t-${++tenants}`)
    const plain = names.map((name, at) => [at, `Started ${name}`] as const)
    const dotted = names.map((name, at) => [300 + at, `Started ${name}.`] as const)
    await write(scope, said(plain))
    await write(scope, said(dotted))
    await write(other, said(dotted))
    await write(other, said(plain))
    expect(await counted(other)).toEqual(await counted(scope))
    expect(await counted(scope)).toEqual({ 'Started <*>': 16 })
  })

  it('count once where another process merged what this one learnt', async () => {
    const [first, second] = [await elsewhere(), await elsewhere()]
    const started = (from: number, to: number, end: string, seconds: number) =>
      said(names.slice(from, to).map((name, at) => [seconds + at, `Started ${name}${end}`]))
    await write(first, started(0, 5, '.', 0))
    await write(second, started(0, 5, '.', 0))
    await write(first, started(0, 5, '', 300))
    await write(second, started(5, 6, '.', 600))
    await write(first, said([[900, 'another line of it']]))
    await write(second, started(0, 5, '', 300))
    await write(first, started(0, 5, '', 300))
    expect(await counted(scope)).toEqual({ 'Started <*>': 11, 'another line of it': 1 })
  })

  it('are learnt again after lines with a beginning that too many words follow', async () => {
    const word = (at: number) => `w${at}`.replaceAll(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)))
    const flood = said([
      [0, 'GET 4711'],
      ...Array.from({ length: 320 }, (_, at) => [1, `GET ${word(at)} then x${word(at)} y${word(at)}`] as const),
    ])
    await write(scope, flood)
    await write(await elsewhere(), flood)
    expect(await counted(scope)).toEqual({ 'GET <*>': 321 })
    await write(await elsewhere(), said([[300, 'GET what nobody asked for before']]))
    expect(await counted(scope)).toEqual({ 'GET <*>': 322 })
    // The report of ingest names it, and about how many messages it met.
    const source = async function* () {
      yield `${JSON.stringify(flood)}\n`
    }
    const load = (scope: Scope) => ingest(scope, source(), { origin: { objectBucket: 'b', objectKey: 'k' } })
    const expected = { GET: expect.toSatisfy((count: number) => Math.abs(count - 321) < 321 * 0.1) }
    expect((await load(await elsewhere())).exploded).toEqual(expected)
    const other = await tenant(test.db, `t-${++tenants}`)
    expect((await load(other)).exploded).toEqual(expected)
    expect((await ingest(other, [])).exploded).toEqual({})
  })

  it.runIf(leg.concurrent)('are learnt by transactions of several windows, without deadlocks', async () => {
    await write(scope, said([[0, 'a line that is known']]))
    const windows = async (service: string, text: string) => [
      ...(await all(rollUp(requests([said([[0, 'a line that is known']], service)])))),
      ...(await all(rollUp(requests([said([[300, text]], service)])))),
    ]
    const both = await Promise.all([windows('x', 'new of one'), windows('y', 'new of the other')])
    await Promise.all(
      both.map((given) =>
        scope.db.transaction().execute(async (db) => {
          for (const window of given) await writeRollups({ ...scope, db }, window)
        }),
      ),
    )
    expect(await counted(scope)).toEqual({ 'a line that is known': 3, 'new of one': 1, 'new of the other': 1 })
  })

  const verbs = ['opened', 'closed', 'lost', 'found']
  const line = fc
    .record({ name: fc.constantFrom(...names), verb: fc.constantFrom(...verbs), seconds: fc.integer({ min: 0, max: 1799 }) })
    .map(({ name, verb, seconds }) => [seconds, `file ${verb} by ${name} at last`] as const)

  it('count the same however the input is cut, redirects followed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 10, maxLength: 60 }), fc.integer({ min: 1, max: 6 }), async (records, parts) => {
        const together = await tenant(test.db, `t-${++tenants}`)
        const apart = await tenant(test.db, `t-${++tenants}`)
        const texts = (given: readonly (readonly [number, string])[]) => [`${JSON.stringify(said(given))}\n`]
        const origin = { objectBucket: 'b', objectKey: 'k' }
        const source = async function* (given: readonly (readonly [number, string])[]) {
          yield* texts(given)
        }
        await ingest(together, source(records), { origin })
        const size = Math.ceil(records.length / parts)
        const pieces = Array.from({ length: parts }, (_, part) => records.slice(part * size, (part + 1) * size)).toReversed()
        for (const piece of pieces) await ingest(await tenantScope(test.db, apart.tenantCode), source(piece), { origin })
        expect(await counted(apart)).toEqual(await counted(together))
      }),
      { numRuns: 6 },
    )
  })

  it.runIf(leg.concurrent)('are the same for processes that learn at once', async () => {
    const lines = names.flatMap((name) => verbs.map((verb) => `file ${verb} by ${name} at last`))
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      const theirs = await elsewhere()
      for (const [at, text] of lines.entries()) {
        if (at % 6 === writer) await write(theirs, said([[300 * writer, text]], `s${writer}-${at}`))
      }
    })
    await Promise.all(writers)
    // What is left to merge is merged by whoever writes next.
    await write(await elsewhere(), said([[1500, 'file opened by iota at last']], 'last'))
    expect(await counted(scope)).toEqual({
      ...Object.fromEntries(verbs.map((verb) => [`file ${verb} by <*> at last`, 8])),
      'file opened by <*> at last': 9,
    })
  })
})
