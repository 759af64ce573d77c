import { appendFile, copyFile, mkdtemp, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../../../src/database/connection/connect.ts'
import type { Scope } from '../../../src/database/scope.ts'
import {
  followFiles,
  ingest,
  type FollowEvent,
  type FollowOptions,
  type FollowProgress,
  type MalformedLine,
} from '../../../src/ingest/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { delimited, protobufOf } from '../../unit/ingest/otlpProtobuf.ts'
import { everything } from '../faults/everything.ts'
import { asLines, recording } from '../faults/recording.ts'

const quick = { pollEvery: '0.02 seconds', writeEvery: '0.2 seconds', quietAfter: '0.4 seconds' }

/** A follower that runs beside the test. */
function following(scope: Scope, files: readonly string[], options: FollowOptions = {}) {
  const stopping = new AbortController()
  const events: FollowEvent[] = []
  const malformed: MalformedLine[] = []
  let progress: FollowProgress | undefined
  let failure: { error: unknown } | undefined
  const running = followFiles(scope, files, {
    ...quick,
    ...options,
    signal: stopping.signal,
    onEvent: (event) => events.push(event),
    onMalformed: (line) => malformed.push(line),
    onProgress: (now) => (progress = now),
  })
  running.catch((error: unknown) => (failure = { error }))
  const until = async (isDone: (progress: FollowProgress) => boolean) => {
    for (let look = 0; look < 1500; look += 1) {
      if (failure !== undefined) throw failure.error
      if (progress !== undefined && isDone(progress)) return
      await setTimeout(20)
    }
    throw new Error(`it did not come: ${JSON.stringify({ ...progress, report: undefined })} ${JSON.stringify(events)}`)
  }
  return {
    events,
    malformed,
    until,
    /** Until all of so many bytes are read. */
    read: (bytes: number) => until((now) => now.bytes >= bytes && now.lag.bytes === 0),
    told: (kind: FollowEvent['kind']) => until(() => events.some((event) => event.kind === kind)),
    kinds: () => events.map(({ kind, file }) => `${kind} ${file === null ? '' : basename(file)}`),
    stop: () => {
      stopping.abort()
      return running
    },
  }
}

apartFromTime('followFiles', () => {
  let test: TestDatabase
  let folder: string
  let scope: Scope
  let log: string
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pgvantage-follow-'))
    log = join(folder, 'app.log')
    scope = await tenant(test.db, `t-${++tenants}`)
    return () => rm(folder, { recursive: true })
  })
  afterAll(() => test.close())

  /** The rows, without where their records lie. */
  const rowsOf = async (of: Scope) => {
    const { metrics, calls, patterns, counts, sketches } = await everything(of)
    const bare = (rows: readonly unknown[]) => rows.map((row) => ({ ...(row as object), sample: null }))
    return { metrics, patterns, sketches, calls: bare(calls), counts: bare(counts) }
  }
  /** Those that one clean run over files makes. */
  const clean = async (texts: readonly (string | Uint8Array)[], options: Parameters<typeof ingest>[2] = {}) => {
    const reference = await tenant(test.db, `t-${++tenants}`)
    await ingest(
      reference,
      texts.map((text, at) => ({ source: streamOf(text), origin: { objectBucket: '-', objectKey: `${at}` } })),
      options,
    )
    return rowsOf(reference)
  }
  async function* streamOf(text: string | Uint8Array): AsyncGenerator<string | Uint8Array> {
    yield text
  }

  const payloads = recording({ minutes: 12 })
  const third = Math.floor(payloads.length / 3)
  const [first, second, last] = [payloads.slice(0, third), payloads.slice(third, 2 * third), payloads.slice(2 * third)].map(asLines) as [
    string,
    string,
    string,
  ]

  it('reads a file as it grows, and a last line only when it is whole', async () => {
    await writeFile(log, first)
    const follower = following(scope, [log])
    await follower.read(first.length)
    await appendFile(log, second.slice(0, -500))
    await follower.until(({ bytes, lag }) => bytes > first.length && lag.bytes > 0 && lag.bytes < 500_000)
    await setTimeout(700)
    expect(follower.malformed).toEqual([])
    await appendFile(log, second.slice(-500) + last)
    await follower.read(first.length + second.length + last.length)
    const report = await follower.stop()
    expect(report).toMatchObject({ malformed: 0, duplicateRequests: 0, requests: payloads.length, lag: { bytes: 0, seconds: 0 } })
    expect(report.files).toEqual([{ path: log, position: report.bytes, size: report.bytes, problem: null }])
    expect(await rowsOf(scope)).toEqual(await clean([first + second + last]))
  })

  it('writes rows while it runs, and continues where it was', async () => {
    await writeFile(log, first)
    const follower = following(scope, [log])
    await follower.until(({ report }) => report.windows > 0)
    expect((await rowsOf(scope)).metrics.length).toBeGreaterThan(0)
    await follower.stop()
    await appendFile(log, second)
    const next = following(scope, [log])
    await next.read(second.length)
    expect(next.events).toMatchObject([{ kind: 'resumed', file: log, message: `is followed from byte ${first.length}` }])
    expect(await next.stop()).toMatchObject({ bytes: second.length, duplicateRequests: 0 })
    expect(await rowsOf(scope)).toEqual(await clean([first + second]))
  })

  describe('a rotated file', () => {
    it.each([
      ['one of the names', 'app.log*'],
      ['none of the names', 'app.log'],
    ])('that was renamed to %s is read to its end', async (_, names) => {
      await writeFile(log, first)
      const follower = following(scope, [join(folder, names)])
      await follower.read(first.length)
      await rename(log, `${log}.1`)
      await appendFile(`${log}.1`, second)
      await writeFile(log, last)
      await follower.read(first.length + second.length + last.length)
      if (names === 'app.log') await follower.told('gone')
      const report = await follower.stop()
      expect(report).toMatchObject({ duplicateRequests: 0, requests: payloads.length, truncated: 0 })
      expect(follower.kinds()).toEqual(
        names === 'app.log' ? ['begun app.log', 'begun app.log', 'gone app.log'] : ['begun app.log', 'renamed app.log', 'begun app.log'],
      )
      expect(await rowsOf(scope)).toEqual(await clean([first + second + last]))
    })

    it('that was copied and truncated is read on in the copy', async () => {
      await writeFile(log, first)
      const follower = following(scope, [`${log}*`])
      await follower.read(first.length)
      await appendFile(log, second)
      await copyFile(log, `${log}.1`)
      await truncate(log)
      await appendFile(log, last)
      await follower.read(first.length + second.length + last.length)
      const report = await follower.stop()
      expect(report).toMatchObject({ duplicateRequests: 0, requests: payloads.length })
      expect(await rowsOf(scope)).toEqual(await clean([first + second + last]))
    })

    it('that is compressed afterwards is not read again, and what was not read of it is', async () => {
      await writeFile(log, first)
      const before = following(scope, [`${log}*`])
      await before.read(first.length)
      await before.stop()
      await writeFile(`${log}.1.gz`, gzipSync(first + second))
      await unlink(log)
      await writeFile(log, last)
      const follower = following(scope, [`${log}*`])
      await follower.read(second.length + last.length)
      const report = await follower.stop()
      expect(report).toMatchObject({ duplicateRequests: 0, bytes: second.length + last.length })
      const again = following(scope, [`${log}*`])
      await again.until(({ files }) => files === 2)
      expect(await again.stop()).toMatchObject({ bytes: 0, requests: 0 })
      expect(await rowsOf(scope)).toEqual(await clean([first + second + last]))
    })
  })

  it('begins again with a file that was truncated, also when it has grown beyond what was read', async () => {
    await writeFile(log, first)
    const follower = following(scope, [log])
    await follower.read(first.length)
    await writeFile(log, second + last)
    await follower.read(first.length + second.length + last.length)
    await follower.told('truncated')
    await writeFile(log, second.slice(0, second.indexOf('\n') + 1))
    await follower.until(() => follower.events.filter(({ kind }) => kind === 'truncated').length === 2)
    const report = await follower.stop()
    expect(report.truncated).toBe(2)
    expect(await rowsOf(scope)).toEqual(await clean([first + second + last]))
  })

  it('finds files that come later, also under a pattern, and reads a deleted one to its end', async () => {
    const follower = following(scope, [join(folder, '*.jsonl'), log])
    await follower.until(({ files }) => files === 0)
    await writeFile(join(folder, 'a.jsonl'), first)
    await follower.read(first.length)
    await writeFile(log, second)
    await writeFile(join(folder, 'b.jsonl'), last)
    await follower.read(first.length + second.length + last.length)
    await unlink(join(folder, 'a.jsonl'))
    await follower.told('gone')
    const report = await follower.stop()
    expect(report.files.map(({ path }) => basename(path)).toSorted()).toEqual(['app.log', 'b.jsonl'])
    expect(await rowsOf(scope)).toEqual(await clean([first + second + last]))
  })

  it('reports a line that is no request, and goes on', async () => {
    await writeFile(log, `${first}no JSON\n{"resourceSpans": 7}\n${second}`)
    const follower = following(scope, [log])
    await follower.read(first.length + second.length)
    await follower.until(() => follower.malformed.length === 2)
    const lines = first.split('\n').length
    expect(follower.malformed.map(({ file, line }) => ({ file, line }))).toEqual([
      { file: log, line: lines },
      { file: log, line: lines + 1 },
    ])
    expect(await follower.stop()).toMatchObject({ malformed: 2 })
    expect(await rowsOf(scope)).toEqual(await clean([first + second]))
  })

  it('tells that the database failed, and that it answers again', async () => {
    const { id } = scope
    await sql`create sequence public.flaky`.execute(test.db)
    await sql`
      create function public.flaky() returns trigger language plpgsql as $$ begin
        if new.path like '%flaky.log' and nextval('public.flaky') = 1 then raise 'in the way' using errcode = '40001'; end if;
        return new;
      end $$
    `.execute(test.db)
    await sql`create trigger flaky before insert on ${id('ingest_file')} for each row execute function public.flaky()`.execute(test.db)
    await writeFile(join(folder, 'flaky.log'), first)
    const follower = following(scope, [join(folder, '*.log')])
    await follower.read(first.length)
    expect(await follower.stop()).toMatchObject({ retries: 1, requests: third })
    expect(follower.events).toMatchObject([
      { kind: 'retrying', file: null, message: 'the database failed (in the way): trying again' },
      { kind: 'recovered', file: null, message: expect.stringContaining('answers again') },
      { kind: 'begun' },
    ])
  })

  it('reports lines that are no requests also while more of them come, and before it ends', async () => {
    await writeFile(log, 'no JSON\n')
    const follower = following(scope, [log], { quietAfter: '1 hour' })
    await follower.until(() => follower.malformed.length === 1)
    await appendFile(log, 'no JSON\nnor this\n')
    await follower.until(() => follower.malformed.length === 2)
    const next = following(scope, [log], { writeEvery: '1 hour', quietAfter: '1 hour' })
    await follower.stop()
    await next.told('resumed')
    await appendFile(log, 'the last\n')
    await next.until(({ bytes }) => bytes > 0)
    expect(await next.stop()).toMatchObject({ malformed: 1 })
    expect([...follower.malformed, ...next.malformed].map(({ line }) => line)).toEqual([1, 2, 4])
  })

  it('says which names are of no file, and of a folder', async () => {
    await writeFile(log, first)
    const names = [log, join(folder, 'wrong.log'), join(folder, 'wrong*.log'), folder]
    const follower = following(scope, names)
    await follower.read(first.length)
    await follower.stop()
    expect(follower.events.filter(({ kind }) => kind === 'absent')).toEqual([
      { kind: 'absent', file: names[1], message: expect.stringMatching(/^there is no such file yet/) },
      { kind: 'absent', file: names[2], message: expect.stringMatching(/^no file has such a name yet/) },
      { kind: 'absent', file: folder, message: expect.stringMatching(/^is a folder/) },
    ])
  })

  it('reads messages that are preceded by their length, and passes over a damaged one', async () => {
    const messages = payloads.map((payload) => delimited(protobufOf(payload)))
    const whole = Buffer.concat(messages)
    await writeFile(log, whole.subarray(0, 5000))
    const follower = following(scope, [log])
    await follower.until(({ bytes }) => bytes > 0)
    for (let at = 5000; at < whole.length; at += 70_001) {
      await appendFile(log, whole.subarray(at, at + 70_001))
      await setTimeout(30)
    }
    await follower.read(whole.length)
    await appendFile(log, Buffer.concat([Buffer.from('what is this'), messages[0]!, messages[1]!]))
    await follower.until(({ report }) => follower.malformed.length === 1 && report.duplicateRequests === 2)
    expect(await follower.stop()).toMatchObject({ requests: payloads.length + 2, malformed: 1 })
    expect(await rowsOf(scope)).toEqual(await clean([whole]))
  })

  it('reads a file that is one message when nobody writes it any more', async () => {
    const message = protobufOf(payloads[0]!)
    await writeFile(log, message.subarray(0, 50))
    const follower = following(scope, [log])
    await setTimeout(100)
    await appendFile(log, message.subarray(50))
    await follower.read(message.length)
    expect(await follower.stop()).toMatchObject({ requests: 1, malformed: 0 })
    expect(await rowsOf(scope)).toEqual(await clean([message]))
  })

  describe('a log of plain text', () => {
    const text = { service: 'shop' }
    const start = Date.UTC(2026, 0, 1, 12)
    const line = (seconds: number, message: string) => `${new Date(start + seconds * 1000).toISOString()} ${message}\n`
    const trace = 'java.lang.IllegalStateException: no stock\n\tat shop.Cart.add(Cart.java:12)\n'
    const lines = Array.from({ length: 300 }, (_, at) => line(at * 3, `INFO [main] shop.Cart - order ${at} took ${at * 7} ms`))
    const whole = [...lines.slice(0, 100), line(301, 'ERROR [main] shop.Cart - no stock'), trace, ...lines.slice(101)].join('')

    it('joins the lines of a record across a restart, and keeps the number and year of its lines', async () => {
      const cut = whole.indexOf('\tat shop')
      await writeFile(log, whole.slice(0, cut))
      const before = following(scope, [log], { text, quietAfter: '5 seconds' })
      await before.read(cut)
      await before.stop()
      await appendFile(log, whole.slice(cut))
      const follower = following(scope, [log], { text })
      await follower.read(whole.length - cut)
      await follower.until(({ report }) => report.logRecords > 0)
      await setTimeout(600)
      const report = await follower.stop()
      expect(report).toMatchObject({ malformed: 0, duplicateRequests: 0 })
      expect(await rowsOf(scope)).toEqual(await clean([whole], { text }))
    })

    it('takes the last record as whole after a while', async () => {
      await writeFile(log, whole)
      const follower = following(scope, [log], { text })
      await follower.until(({ report }) => report.records.logs.rolledUp === 300)
      expect(await rowsOf(scope)).toEqual(await clean([whole], { text }))
      await follower.stop()
    })

    it('is read from its beginning if it was read as OTLP before', async () => {
      await writeFile(log, whole)
      const wrong = following(scope, [log])
      await wrong.read(whole.length)
      expect(await wrong.stop()).toMatchObject({ requests: 0, malformed: 1 })
      const follower = following(scope, [log], { text })
      await follower.until(({ report }) => report.records.logs.rolledUp === 300)
      await follower.stop()
      expect(follower.events[0]).toMatchObject({ kind: 'begun', message: expect.stringContaining('was read as OTLP before') })
      const next = following(scope, [log], { text })
      await next.told('resumed')
      expect(await next.stop()).toMatchObject({ bytes: 0 })
      expect(await rowsOf(scope)).toEqual(await clean([whole], { text }))
    })

    it('tells that it cannot be recognised, and follows the others', async () => {
      await writeFile(log, Array.from({ length: 1001 }, (_, at) => `nothing ${at}\n`).join(''))
      await writeFile(join(folder, 'b.log'), whole)
      const follower = following(scope, [join(folder, '*.log')], { text })
      await follower.until(({ report }) => report.records.logs.rolledUp === 300)
      expect(follower.events.filter(({ kind }) => kind === 'unreadable')).toEqual([
        { kind: 'unreadable', file: log, message: expect.stringContaining('no header with a time') },
      ])
      expect((await follower.stop()).files).toMatchObject([{ problem: expect.stringContaining('no header') }, { problem: null }])
    })
  })

  describe('two followers of one file', () => {
    it('take turns: the second waits, and continues where the first ended', async () => {
      await writeFile(log, first)
      const one = following(scope, [log])
      await one.read(first.length)
      const two = following(scope, [log])
      await two.told('waiting')
      expect(two.events[0]!.message).toMatch(/is followed by another process \(.*process \d+\): waiting for it/)
      await one.stop()
      await appendFile(log, second)
      await two.read(second.length)
      expect(await two.stop()).toMatchObject({ bytes: second.length, duplicateRequests: 0 })
      expect(await rowsOf(scope)).toEqual(await clean([first + second]))
    })

    it('never both write, also when the first only seemed dead', async () => {
      await writeFile(log, first)
      const one = following(scope, [log])
      await one.read(first.length)
      await sql`update ${scope.id('ingest_follower')} set alive_until = alive_until - interval '1 hour' where tenant_id = ${scope.tenantId}`.execute(
        test.db,
      )
      const two = following(scope, [log])
      await two.until(({ files }) => files === 1)
      await appendFile(log, second)
      await two.read(second.length)
      await one.told('lost')
      await one.told('waiting')
      const reports = [await one.stop(), await two.stop()]
      expect(reports.map(({ requests }) => requests).reduce((sum, count) => sum + count)).toBe(2 * third)
      expect(await rowsOf(scope)).toEqual(await clean([first + second]))
    })
  })

  it.skipIf(!leg.concurrent)(
    'goes on when connections are lost, and counts nothing twice',
    async () => {
      const admin = connect({ connectionString: test.url!, max: 1 })
      const unsteady = connect({ connectionString: test.url!, max: 2, application_name: 'unsteady' })
      try {
        await writeFile(log, '')
        const follower = following({ ...scope, db: unsteady }, [log], { writeEvery: '0.1 seconds' })
        const lines = (first + second + last).split(/(?<=\n)/)
        for (let at = 0; at < lines.length; at += 8) {
          await appendFile(log, lines.slice(at, at + 8).join(''))
          await sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'unsteady' and datname = current_database()
        `.execute(admin)
          await setTimeout(30)
        }
        await follower.read(first.length + second.length + last.length)
        await follower.until(() => follower.kinds().includes('retrying '))
        const report = await follower.stop()
        expect(report).toMatchObject({ malformed: 0 })
        expect(report.retries).toBeGreaterThan(0)
      } finally {
        await admin.destroy()
        await unsteady.destroy()
      }
      expect(await rowsOf(scope)).toEqual(await clean([first + second + last]))
    },
    60_000,
  )

  it('follows the same file for each tenant and node', async () => {
    await writeFile(log, first)
    const other = await tenant(test.db, `t-${++tenants}`)
    const followers = [following(scope, [log]), following(other, [log]), following(scope, [log], { node: 'another' })]
    for (const follower of followers) await follower.read(first.length)
    const [one, two, three] = [await followers[0]!.stop(), await followers[1]!.stop(), await followers[2]!.stop()]
    expect([one.duplicateRequests + three.duplicateRequests, two.duplicateRequests]).toEqual([third, 0])
    expect(await rowsOf(scope)).toEqual(await rowsOf(other))
  })

  it("refuses a transaction's scope, and no files", async () => {
    await expect(scope.db.transaction().execute(async (db) => followFiles({ ...scope, db }, [log]))).rejects.toThrow(
      'db: must not be a transaction',
    )
    await expect(followFiles(scope, [])).rejects.toThrow('files')
  })
})
