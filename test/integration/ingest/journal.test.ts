import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { deleteTenant } from '../../../src/catalog/index.ts'
import { doctor } from '../../../src/operate/index.ts'
import { ingest, journalCheck, settleJournals, type IngestOptions, type IngestReport, type ResourceOf } from '../../../src/ingest/index.ts'
import type { Json } from '../../../src/schema/text.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { date, gauge, log, logs, metrics, point, spans, sum, urn } from '../../unit/ingest/telemetry.ts'
import { everything } from '../faults/everything.ts'
import { asLines, recording } from '../faults/recording.ts'

/** The rows themselves: not where their records lie, nor resources that only a row named which is gone. */
async function rowsOf(scope: Scope) {
  const { metrics, calls, patterns, counts, sketches } = await everything(scope)
  const bare = (rows: readonly unknown[]) => rows.map((row) => ({ ...(row as object), sample: null }))
  return { metrics, patterns, sketches, calls: bare(calls), counts: bare(counts) }
}

const counted: IngestOptions['dimensions'] = ['user', 'endpoint', { dimension: 'tag', from: 'user', of: 'logs' }]

onEveryLeg('the journal', () => {
  let test: TestDatabase
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  const fresh = () => tenant(test.db, `t-${++tenants}`)
  const load = (scope: Scope, payloads: readonly object[], options: IngestOptions = {}): Promise<IngestReport> =>
    ingest(scope, Readable.from([asLines(payloads)]), { dimensions: counted, hashKey: 'a key of these tests', ...options })
  const whole = async (payloads: readonly object[]) => {
    const scope = await fresh()
    const report = await load(scope, payloads)
    expectSums(report)
    return rowsOf(scope)
  }
  /** Each kind of record is accounted for. */
  function expectSums({ records }: IngestReport) {
    for (const { read, rolledUp, waiting, duplicate, late, refused } of Object.values(records)) {
      expect(Math.min(read, rolledUp, waiting, duplicate, late, refused)).toBeGreaterThanOrEqual(0)
      expect(rolledUp + waiting + duplicate + late + refused).toBe(read)
    }
  }
  /** How many records of a tenant are in no row yet, resource by resource. */
  const waitingOf = async (scope: Scope) => {
    const { rows } = await sql<{ resource: string; dataset: string; waiting: number }>`
      select resource, dataset, sum(waiting)::int4 as waiting
      from ${scope.id('ingest_window')}
      where tenant_id = ${scope.tenantId} and waiting > 0
      group by resource, dataset
      order by dataset, resource collate "C"`.execute(test.db)
    return rows
  }
  /** As if nothing had been added for so long. */
  const age = (scope: Scope, interval: string) =>
    sql`update ${scope.id('ingest_window')} set changed_at = changed_at - ${interval}::interval where tenant_id = ${scope.tenantId}`.execute(
      test.db,
    )

  describe('leaves the same rows', () => {
    const payloads = recording({ minutes: 40 })

    it('whatever pieces the input comes in, in any order, some of them twice, read by any number of processes at once', async () => {
      const asked = (id: string, from: number) => spans('web', [{ id, kind: 'CLIENT', from, to: from + 1 }])
      const counter = (seconds: number) => metrics('web', [sum('errors', 'CUMULATIVE', true, [point(seconds, seconds)])])
      // One whose other side comes, one whose does not, and a counter of which nobody knows where it began.
      const answered = spans('pay', [{ id: 'a', parent: 'asked', kind: 'SERVER', from: 1000, to: 1000.5 }])
      const all = [counter(1500), asked('asked', 999), ...payloads, asked('lost', 1400), answered, counter(100)]
      const reference = await fresh()
      const one = await load(reference, all)
      const [expected, waiting] = [await rowsOf(reference), await waitingOf(reference)]
      expect(waiting).toEqual([
        { dataset: 'metrics', resource: urn('web'), waiting: 1 },
        { dataset: 'traces', resource: urn('web'), waiting: 1 },
      ])
      const taken = (reports: readonly IngestReport[]) =>
        (['traces', 'metrics', 'logs'] as const).map((dataset) =>
          reports.reduce((total, { records }) => total + records[dataset].rolledUp + records[dataset].waiting, 0),
        )
      // Up to where a piece goes, and when it is its turn; or of one in so many payloads, dealt like cards.
      const piece = fc.tuple(fc.integer({ min: 0, max: all.length }), fc.nat())
      const cut = fc.array(piece, { maxLength: 5 }).map((cuts) => {
        const ends = [...cuts.toSorted(([a], [b]) => a - b), [all.length, 500] as const]
        return ends
          .map(([end, turn], at) => ({ turn, payloads: all.slice(ends[at - 1]?.[0] ?? 0, end) }))
          .toSorted((a, b) => a.turn - b.turn)
          .map((one) => one.payloads)
      })
      const dealt = fc
        .integer({ min: 2, max: 5 })
        .map((hands) => Array.from({ length: hands }, (_, hand) => all.filter((_, at) => at % hands === hand)))
      const processes = fc.integer({ min: 1, max: 5 })
      await fc.assert(
        fc.asyncProperty(fc.oneof(cut, dealt), fc.nat(5), processes, async (pieces, again, processes) => {
          const scope = await fresh()
          const reads = [...pieces, ...pieces.slice(again, again + 1)]
          const shares = Array.from({ length: processes }, (_, share) => reads.filter((_, at) => at % processes === share))
          const reports = await Promise.all(
            shares.map(async (share) => {
              const reports: IngestReport[] = []
              for (const piece of share) reports.push(await load(scope, piece))
              return reports
            }),
          )
          for (const report of reports.flat()) expectSums(report)
          expect(await rowsOf(scope)).toEqual(expected)
          expect(await waitingOf(scope)).toEqual(waiting)
          expect(taken(reports.flat())).toEqual(taken([one]))
        }),
        {
          // In process they take turns on one connection, whose order the pieces decide already.
          numRuns: leg.concurrent ? 6 : 3,
          endOnFailure: true,
          // Four at once, each of which reads of every window, and two the same.
          examples: [[[0, 1, 2].map((hand) => all.filter((_, at) => at % 3 === hand)), 0, 4]],
        },
      )
    }, 120_000)

    it('whoever rolls up what another has read and left', async () => {
      const expected = await whole(payloads)
      const scope = await fresh()
      const controller = new AbortController()
      const stopped = load(scope, payloads.slice(0, 200), {
        signal: controller.signal,
        onWindow: () => controller.abort(new Error('stopped')),
      })
      await expect(stopped).rejects.toThrow('stopped')
      await load(scope, payloads.slice(200))
      expect(await rowsOf(scope)).toEqual(expected)
    })
  })

  // An hour of real telemetry, loaded twice; on one leg, since 'leaves the same rows' asks each leg's SQL the same.
  it.runIf(leg.name === 'server')(
    'makes the same of a recording in four pieces as of the whole',
    async () => {
      const file = new URL('../../../examples/shop/recordings/incident.jsonl.gz', import.meta.url)
      const lines = gunzipSync(await readFile(file))
        .toString()
        .trimEnd()
        .split('\n')
      const [reference, scope] = [await fresh(), await fresh()]
      await ingest(reference, Readable.from([lines.join('\n')]))
      const quarter = Math.ceil(lines.length / 4)
      for (const piece of [2, 0, 3, 1]) await ingest(scope, Readable.from([lines.slice(piece * quarter, (piece + 1) * quarter).join('\n')]))
      expect(await rowsOf(scope)).toEqual(await rowsOf(reference))
    },
    120_000,
  )

  describe('joins what comes in different files', () => {
    const client = { id: 'c', kind: 'CLIENT', from: 10, to: 10.5, with: { 'server.address': 'pay.internal' } } as const
    const server = { id: 's', parent: 'c', kind: 'SERVER', from: 10.1, to: 10.4, failed: true } as const

    it.each([
      ['caller first', [spans('web', [client]), spans('pay', [server])]],
      ['callee first', [spans('pay', [server]), spans('web', [client])]],
    ])('both sides of a call, %s', async (_, files) => {
      const scope = await fresh()
      for (const file of files) expectSums(await load(scope, [file]))
      const { calls } = await rowsOf(scope)
      expect(calls).toMatchObject([{ src: urn('web'), dst: urn('pay'), call_count: '1', error_count: '1', p95_ms: 500 }])
    })

    it('a span that comes again and says more, and one whose id another one has', async () => {
      const client = (to: number, host: string) =>
        spans('web', [{ id: 'c', kind: 'CLIENT', from: 10, to, with: { 'server.address': host } }])
      const scope = await fresh()
      await load(scope, [client(11, 'x')])
      await load(scope, [client(12, 'y')])
      expect((await rowsOf(scope)).calls).toMatchObject([{ dst: 'urn:host:y', call_count: '1' }])
    })

    it('points of one time, each of which counts once as a duplicate', async () => {
      const points = (...values: number[]) =>
        metrics('web', [
          gauge(
            'g',
            values.map((value) => point(10, value)),
          ),
        ])
      const scope = await fresh()
      for (const values of [[5, 3], [4], [1, 4.5, 9]]) expectSums(await load(scope, [points(...values)]))
      expect((await rowsOf(scope)).metrics).toMatchObject([{ avg_val: 9, sample_count: '1' }])
    })

    it('the points of a counter, also those that come later and belong before', async () => {
      const counter = (seconds: number, value: number) => metrics('web', [sum('bytes', 'CUMULATIVE', true, [point(seconds, value)])])
      const scope = await fresh()
      const report = await load(scope, [counter(400, 500)])
      expect(report.records.metrics).toMatchObject({ read: 1, waiting: 1, rolledUp: 0 })
      expect((await rowsOf(scope)).metrics).toEqual([])
      await load(scope, [counter(100, 200)])
      expect((await rowsOf(scope)).metrics).toMatchObject([{ bucket: date(360), avg_val: 1 }])
      await load(scope, [counter(340, 440), counter(460, 560)])
      expect((await rowsOf(scope)).metrics).toMatchObject([
        { bucket: date(300), avg_val: 1 },
        { bucket: date(360), avg_val: 1 },
        { bucket: date(420), avg_val: 1 },
      ])
    })
  })

  describe('a window', () => {
    const tick = (seconds: number, service = 'clock') => logs(service, [log(seconds, 'tick')])
    const ticks = async (scope: Scope) => (await rowsOf(scope)).counts.map((row) => Number(Reflect.get(row, 'count_total')))

    it('closes when its resource is past the horizon and nothing was added for as long; what comes then is late', async () => {
      const scope = await fresh()
      await load(scope, [tick(0), tick(300 + 900), tick(10, 'slow')])
      await age(scope, '16 minutes')
      expect(await load(scope, [])).toMatchObject({ closedWindows: 1, closedEarly: 0 })
      const report = await load(scope, [tick(1), tick(1201), tick(11, 'slow')])
      expectSums(report)
      expect(report).toMatchObject({ lateRecords: 1, late: { [urn('clock')]: { logs: 1, traces: 0, metrics: 0 } } })
      expect(await ticks(scope)).toEqual([1, 2, 2])
    })

    it('stays open while it is added to, however far its resource is', async () => {
      const scope = await fresh()
      await load(scope, [tick(0), tick(7200)])
      await load(scope, [tick(1)])
      expect(await ticks(scope)).toEqual([2, 1])
    })

    it('of a resource that has fallen silent closes after four times as long', async () => {
      const scope = await fresh()
      await load(scope, [tick(0)])
      await age(scope, '59 minutes')
      expect(await load(scope, [])).toMatchObject({ closedWindows: 0, journal: { windows: 1 } })
      await age(scope, '2 minutes')
      expect(await load(scope, [])).toMatchObject({ closedWindows: 1, journal: { windows: 0, bytes: 0, since: null } })
    })

    it('that has closed knows what it was made from: a file that is read again is a duplicate, for a day', async () => {
      const scope = await fresh()
      const file = [tick(0), tick(10)]
      await load(scope, file)
      await age(scope, '1 day')
      expect((await load(scope, [])).journal).toEqual({ bytes: 0, windows: 0, since: null })
      expect(await load(scope, [...file, tick(20)])).toMatchObject({ duplicateRequests: 2, lateRecords: 1 })
      await sql`update ${scope.id('ingest_journal')} set written_at = written_at - interval '1 day' where tenant_id = ${scope.tenantId}`.execute(
        test.db,
      )
      await load(scope, [tick(600)])
      await age(scope, '1 day')
      await load(scope, [])
      expect(await load(scope, file)).toMatchObject({ duplicateRequests: 0, lateRecords: 2 })
      expect(await ticks(scope)).toEqual([2, 1])
    })

    it('that a process has left is rolled up by the next maintenance, and doctor tells of it', async () => {
      const scope = await fresh()
      const controller = new AbortController()
      await expect(
        load(scope, [tick(0), tick(600)], { signal: controller.signal, onWindow: () => controller.abort(new Error('stopped')) }),
      ).rejects.toThrow('stopped')
      await age(scope, '2 hours')
      const told = async () => {
        const { findings } = await doctor(test.db, { checks: [journalCheck] })
        return findings.filter(({ message }) => message.includes(`tenant ${scope.tenantCode} `)).map(({ code }) => code)
      }
      expect(await told()).toEqual(['journal-left'])
      const settled = await settleJournals(test.db)
      expect(settled.find(({ tenant }) => tenant === scope.tenantCode)).toMatchObject({ report: { windows: 1, closedWindows: 2 } })
      expect(await ticks(scope)).toEqual([1, 1])
      expect(await told()).toEqual([])
    })

    it('says in doctor what waits in it, until that comes', async () => {
      const scope = await fresh()
      const said = async () => {
        const { findings } = await doctor(test.db, { checks: [journalCheck] })
        const { message, severity } = findings.find(({ code }) => code === 'journal')!
        expect(severity).toBe('info')
        const [spans, points, windows] = [/other side: (\d+)/, /counters: (\d+)/, /roll up: (\d+)/].map((number) =>
          Number(number.exec(message)![1]),
        )
        return { spans: spans!, points: points!, windows: windows! }
      }
      await load(scope, [tick(0)])
      const before = await said()
      const more = async () => {
        const now = await said()
        return { spans: now.spans - before.spans, points: now.points - before.points, windows: now.windows - before.windows }
      }
      const counters = (seconds: number) =>
        metrics(
          'web',
          ['a', 'b'].map((name) => sum(name, 'CUMULATIVE', true, [point(seconds, seconds)])),
        )
      const { records } = await load(scope, [
        spans('web', [
          { id: 'c', kind: 'CLIENT', from: 310, to: 311 },
          { id: 'p', kind: 'PRODUCER', from: 310, to: 311 },
          { id: 'n', kind: 'CLIENT', from: 310, to: 311, with: { 'server.address': 'pay' } },
        ]),
        counters(310),
      ])
      expect(records).toMatchObject({ traces: { waiting: 2 }, metrics: { waiting: 2 } })
      expect(await more()).toEqual({ spans: 2, points: 2, windows: 0 })
      // In another window each: what waited is in the rows now, and points that come before wait in its stead.
      await load(scope, [spans('pay', [{ id: 's', parent: 'c', kind: 'SERVER', from: 299, to: 300 }]), counters(10)])
      expect(await more()).toEqual({ spans: 1, points: 2, windows: 0 })
      const controller = new AbortController()
      const stopped = load(scope, [tick(600), tick(900)], {
        signal: controller.signal,
        onWindow: () => controller.abort(new Error('stopped')),
      })
      await expect(stopped).rejects.toThrow('stopped')
      expect(await more()).toEqual({ spans: 1, points: 2, windows: 1 })
      await age(scope, '1 day')
      await load(scope, [])
      expect(await more()).toEqual({ spans: 0, points: 0, windows: 0 })
    })

    it('that has closed is not made again from the spans that are left of it', async () => {
      const scope = await fresh()
      const call = (id: string, at: number): object[] => [
        spans('web', [{ id, kind: 'CLIENT', from: at, to: at + 40, with: { 'server.address': 'pay' } }]),
        spans('pay', [{ id: `s${id}`, parent: id, kind: 'SERVER', from: at + 30, to: at + 35 }]),
      ]
      const root = (service: string, at: number) => spans(service, [{ id: `${service}${at}`, kind: 'SERVER', from: at, to: at + 1 }])
      // A call over the ends of two windows, every five minutes; another service has its first window open.
      await load(scope, [root('other', 10), ...Array.from({ length: 12 }, (_, at) => call(`c${at}`, at * 300 + 280)).flat()])
      await sql`
        update ${scope.id('ingest_window')} set changed_at = changed_at - interval '16 minutes'
        where tenant_id = ${scope.tenantId} and resource <> ${urn('other')}`.execute(test.db)
      expect((await load(scope, [])).closedWindows).toBeGreaterThan(10)
      const before = (await rowsOf(scope)).calls
      await load(scope, [root('other', 20)])
      const after = (await rowsOf(scope)).calls
      expect(after.length).toBe(before.length)
      expect(after.filter((row) => Reflect.get(row, 'dst') !== urn('other'))).toEqual(
        before.filter((row) => Reflect.get(row, 'dst') !== urn('other')),
      )
    })

    it('of a clock that is ahead stays open until its time has come', async () => {
      const scope = await fresh()
      await load(scope, [tick(0), tick(300)])
      await sql`
        update ${scope.id('ingest_window')} set window_start = timestamptz '2200-01-01 00:00:00+00'
        where tenant_id = ${scope.tenantId} and window_start = ${date(300)}`.execute(test.db)
      await age(scope, '1 day')
      expect((await load(scope, [])).closedWindows).toBe(1)
    })

    it('waits for as long as who read it asked, whoever closes windows', async () => {
      const scope = await fresh()
      await load(scope, [tick(0), tick(7200)], { horizon: '2 days' })
      await age(scope, '1 hour')
      await settleJournals(test.db)
      expect(await load(scope, [tick(1)])).toMatchObject({ lateRecords: 0 })
    })

    it('that was never opened opens at any age', async () => {
      const scope = await fresh()
      await load(scope, [tick(0)])
      await age(scope, '1 day')
      await load(scope, [])
      const report = await load(scope, [tick(-86_400 * 3), tick(-600), tick(1)])
      expect(report).toMatchObject({ lateRecords: 1, records: { logs: { rolledUp: 2 } } })
      expect(await ticks(scope)).toEqual([1, 1, 1])
    })

    it('closes early when the journal grows too large, and the report says so', async () => {
      const scope = await fresh()
      const report = await load(scope, recording({ minutes: 30 }), { maxJournalBytes: 4000 })
      expect(report.closedEarly).toBeGreaterThan(0)
      expect(report.journal.bytes).toBeLessThanOrEqual(4000)
      expect(await rowsOf(scope)).toEqual(await whole(recording({ minutes: 30 })))
    })

    it('that has closed goes on in its counters', async () => {
      const scope = await fresh()
      const counter = (seconds: number, value: number) => metrics('web', [sum('bytes', 'CUMULATIVE', true, [point(seconds, value)])])
      const open = (seconds: number, change: number) => metrics('web', [sum('open', 'DELTA', false, [point(seconds, change)])])
      await load(scope, [counter(0, 100), open(0, 5), counter(1500, 100), open(1500, 1)])
      await age(scope, '16 minutes')
      expect((await load(scope, [])).closedWindows).toBe(1)
      await age(scope, '1 day')
      expect((await load(scope, [])).closedWindows).toBe(1)
      await load(scope, [counter(1800, 700), open(1800, -2)])
      expect((await rowsOf(scope)).metrics.slice(-2)).toMatchObject([
        { bucket: date(1800), metric: 'bytes', avg_val: 2 },
        { bucket: date(1800), metric: 'open', avg_val: 4 },
      ])
    })
  })

  describe('keeps what resourceOf has answered', () => {
    const as = (name: string): ResourceOf => {
      return ({ kind }) => ({ urn: `urn:${kind === 'peer' ? 'peer' : 'own'}:${name}`, type: 'service', name })
    }
    const payloads = [...recording({ minutes: 6 }), spans('web', [{ id: 'x', kind: 'CLIENT', from: 1, to: 2 }])]
    /** How many records of each kind the rows have, of whatever resource. */
    const sums = async (scope: Scope) => {
      const { metrics, calls, counts } = await rowsOf(scope)
      const sum = (rows: readonly unknown[], column: string) =>
        rows.reduce<number>((sum, row) => sum + Number(Reflect.get(row as object, column)), 0)
      return { metrics: sum(metrics, 'sample_count'), calls: sum(calls, 'call_count'), logs: sum(counts, 'count_total') }
    }

    it('when it answers otherwise in the next run over the same files', async () => {
      const scope = await fresh()
      await load(scope, payloads, { resourceOf: as('a') })
      const before = await rowsOf(scope)
      const { duplicateRequests, records } = await load(scope, payloads, { resourceOf: as('b') })
      expect(duplicateRequests).toBe(payloads.length)
      expect(records.traces.duplicate).toBe(records.traces.read)
      await load(scope, [])
      expect(await rowsOf(scope)).toEqual(before)
    })

    it('first, when processes that answer differently read the same files at once: each record counts once', async () => {
      const [reference, scope] = [await fresh(), await fresh()]
      await load(reference, payloads, { resourceOf: as('a') })
      const reports = await Promise.all(['a', 'b', 'c'].map((name) => load(scope, payloads, { resourceOf: as(name) })))
      for (const report of reports) expectSums(report)
      expect(reports.reduce((sum, { duplicateRequests }) => sum + duplicateRequests, 0)).toBe(2 * payloads.length)
      expect(await sums(scope)).toEqual(await sums(reference))
    })

    it('for who rolls up what was read by another, who never asks', async () => {
      const [reference, scope] = [await fresh(), await fresh()]
      await load(reference, payloads, { resourceOf: as('a') })
      const controller = new AbortController()
      const stopped = load(scope, payloads, {
        resourceOf: as('a'),
        signal: controller.signal,
        onWindow: () => controller.abort(new Error('stopped')),
      })
      await expect(stopped).rejects.toThrow('stopped')
      await settleJournals(test.db)
      expect(await rowsOf(scope)).toEqual(await rowsOf(reference))
    })

    it('of a batch nothing, when it throws: the next run reads all of it', async () => {
      const [reference, scope] = [await fresh(), await fresh()]
      await load(reference, payloads, { resourceOf: as('a') })
      let asked = 0
      const broken = new Error('no such pod')
      const flaky: ResourceOf = (...told) => {
        if (++asked === 100) throw broken
        return as('a')(...told)
      }
      await expect(load(scope, payloads, { resourceOf: flaky })).rejects.toBe(broken)
      expect((await load(scope, [])).journal.bytes).toBe(0)
      expectSums(await load(scope, payloads, { resourceOf: flaky }))
      expect(await rowsOf(scope)).toEqual(await rowsOf(reference))
    })

    it('and refuses nonsense with its records alone: a request of which others were taken is a duplicate, one of which none was is not', async () => {
      const scope = await fresh()
      const answers: readonly unknown[] = ['', `urn:${'x'.repeat(1e6)}`, 'no', 'urn:\0', 5, null]
      const odd = (({ attributes }) => {
        const { bad } = attributes
        return typeof bad === 'number' ? { urn: answers[bad], type: 'x', name: 'x' } : undefined
      }) as ResourceOf
      const good = logs('web', [log(1, 'good')])
      const bad = answers.map((_, bad) => logs('web', [log(2, 'bad')], { bad }))
      const mixed = {
        resourceLogs: [...logs('web', [log(3, 'good')]).resourceLogs, ...logs('web', [log(4, 'bad')], { bad: 0 }).resourceLogs],
      }
      const report = await load(scope, [good, ...bad, mixed], { resourceOf: odd })
      expectSums(report)
      expect(report.records.logs).toMatchObject({ read: 9, rolledUp: 2, refused: 7 })
      expect(Object.keys(report.refused).every((reason) => reason.startsWith('resourceOf(...).urn: ') && reason.length < 100)).toBe(true)
      const again = await load(scope, [good, ...bad, mixed])
      expectSums(again)
      expect(again.records.logs).toMatchObject({ read: 9, rolledUp: 6, duplicate: 3 })
    })

    it('when it changes its mind while a batch is read: a window that has closed stays closed', async () => {
      const scope = await fresh()
      const tick = (seconds: number) => logs('clock', [log(seconds, 'tick')])
      await load(scope, [tick(0), tick(1)], { resourceOf: as('a') })
      await age(scope, '1 day')
      await load(scope, [])
      await load(scope, [tick(2)], { resourceOf: as('b') })
      const before = await sums(scope)
      // A request that is known makes it read the others a second time.
      const names = ['b', 'b', 'a', 'a']
      const fickle: ResourceOf = (...told) => as(names.shift()!)(...told)
      expectSums(await load(scope, [tick(2), tick(3)], { resourceOf: fickle }))
      expect(await sums(scope)).toEqual({ ...before, logs: before.logs + 1 })
      // Two requests with the same attributes may be asked about once.
      expect(names.slice(-2)).toEqual(['a', 'a'])
    })

    it("to its tenant, also where it names another one's resource; and what calls itself, or is an outsider", async () => {
      const urns: ResourceOf = ({ kind, attributes: { 'service.name': service } }) => {
        if (kind === 'peer') return { urn: 'urn:shared', type: 'service', name: 'peer' }
        return { urn: service === 'out' ? 'urn:external:client' : 'urn:shared', type: 'service', name: 'x', labels: { of: 'it' } }
      }
      const call = (service: string) => [
        spans(service, [{ id: 'c', kind: 'CLIENT', from: 1, to: 2, with: { 'peer.service': 'x' } }]),
        spans(service, [{ id: 's', kind: 'SERVER', from: 1, to: 2 }]),
      ]
      const [one, other] = [await fresh(), await fresh()]
      await load(one, [...call('web'), ...call('out')], { resourceOf: urns })
      const before = await everything(one)
      await load(other, call('web'), { resourceOf: (...told) => ({ ...urns(...told)!, name: 'other', labels: {} }) })
      expect(await everything(one)).toEqual(before)
      const { rows } = await sql`
        select resource_id from ${one.id('dim_resource')} where urn = 'urn:shared' and tenant_id in (${one.tenantId}, ${other.tenantId})`.execute(
        test.db,
      )
      expect(rows).toHaveLength(2)
      const ends = (await rowsOf(one)).calls.map((row) => [Reflect.get(row, 'src'), Reflect.get(row, 'dst')])
      expect(ends).toContainEqual(['urn:shared', 'urn:shared'])
    })

    it('of labels whatever their order is', async () => {
      const [reference, scope] = [await fresh(), await fresh()]
      const labelled =
        (seriesLabels: Record<string, Json>): ResourceOf =>
        () => ({ urn: 'urn:a', type: 'a', name: 'a', seriesLabels })
      const counter = (seconds: number) => metrics('web', [sum('bytes', 'CUMULATIVE', true, [point(seconds, seconds)])])
      const [here, there] = [labelled({ a: 1, b: { c: 1, d: 2 } }), labelled({ b: { d: 2, c: 1 }, a: 1 })]
      await load(reference, [counter(0), counter(10), counter(20)], { resourceOf: here })
      for (const [at, resourceOf] of [here, there, here].entries()) await load(scope, [counter(at * 10)], { resourceOf })
      expect(await rowsOf(scope)).toEqual(await rowsOf(reference))
    })
  })

  it('keeps what a wrong clock says to its own records', async () => {
    const scope = await fresh()
    const minute = Array.from({ length: 20 }, (_, at) => logs('shop', [log(at * 60, 'order placed')]))
    const broken = [logs('ahead', [log(8 * 3600, 'x')]), logs('behind', [log(-56 * 365 * 86_400, 'x')])]
    const mixed = logs('shop', [log(-30 * 86_400, 'old'), log(1, 'now')])
    const report = await load(scope, [...minute.slice(0, 10), ...broken, mixed, ...minute.slice(10)])
    expectSums(report)
    expect(report.records.logs).toMatchObject({ read: 24, rolledUp: 24 })
  })

  it('is gone with its tenant', async () => {
    const scope = await fresh()
    await load(scope, [metrics('web', [gauge('g', [point(1, 5)])])])
    await deleteTenant(test.db, scope.tenantCode)
    for (const table of ['ingest_journal', 'ingest_window', 'ingest_clock']) {
      const { rows } = await sql`select from ${scope.id(table)} where tenant_id = ${scope.tenantId}`.execute(test.db)
      expect(rows).toEqual([])
    }
  })
})
