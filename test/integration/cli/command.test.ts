import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schemaVersion } from '../../../src/database/installation/installation.ts'
import { run } from '../../../src/cli/run.ts'
import { freshDatabase, leg, type TestDatabase } from '../../support/leg.ts'
import { delimited, protobufOf } from '../../unit/ingest/otlpProtobuf.ts'
import { log, logs, resource } from '../../unit/ingest/telemetry.ts'

describe.skipIf(!leg.available || !leg.concurrent)('pgvantage, on a server', () => {
  let test: TestDatabase
  let folder: string
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  })
  afterAll(async () => {
    await test.close()
    await rm(folder, { recursive: true })
  })

  async function pgvantage(...args: string[]) {
    return pgvantageReading([], ...args)
  }

  /** What is on the standard input, and the command's arguments. */
  async function pgvantageReading(chunks: readonly (string | Uint8Array)[], ...args: string[]) {
    let out = ''
    let err = ''
    const code = await run(args, {
      env: { DATABASE_URL: test.url! },
      input: Readable.from(chunks),
      out: (text) => (out += text),
      err: (text) => (err += text),
      interactive: false,
    })
    return { code, out, err }
  }

  it('plans, migrates, finds nothing more to do, and tells its status, in JSON too', async () => {
    expect(await pgvantage('migrate', 'plan')).toMatchObject({ code: 0, out: expect.stringContaining('would run 0001_installation') })
    const script = await pgvantage('migrate', 'plan', '--sql')
    expect(script.out).toMatch(/^begin;[\s\S]*create table "public"."dim_tenant"[\s\S]*commit;\n$/)
    expect(await pgvantage('migrate', 'status')).toMatchObject({
      code: 0,
      out: expect.stringContaining('pgvantage is not installed here: run `pgvantage migrate up`'),
    })
    expect(await pgvantage('doctor')).toMatchObject({ code: 3 })
    expect(await pgvantage('migrate', 'up')).toMatchObject({
      code: 0,
      out: expect.stringContaining(`schema public is at version ${schemaVersion}\n`),
    })
    expect(await pgvantage('migrate', 'up')).toMatchObject({
      code: 0,
      out: `schema public is at version ${schemaVersion}: nothing to do\n`,
    })
    const status = await pgvantage('migrate', 'status', '--json')
    expect(JSON.parse(status.out)).toMatchObject({ installed: true, version: schemaVersion, pending: [] })
  })

  it('prints what a role needs, as a script, and refuses a role it does not know', async () => {
    const { code, out } = await pgvantage('grants', '--role', 'reader', 'app reader')
    expect(code).toBe(0)
    expect(out).toMatch(/^-- as postgres, or a superuser\ngrant connect on database \w+ to "app reader";\n/)
    expect(out).toMatch(/\ngrant select on public\.dim_resource, .*ag_catalog\.ag_label to "app reader";\n/)
    const listed = await pgvantage('grants', '--role', 'writer', 'me', '--json')
    expect(JSON.parse(listed.out)).toContainEqual({
      statement: expect.stringMatching(/^grant select, insert, update on public\.dim_resource, .* to "me"$/),
      as: 'postgres',
    })
    // Who acts as a superuser is one.
    expect(await pgvantage('grants', '--role', 'maintainer', 'me')).toMatchObject({ code: 1, err: expect.stringContaining('a superuser') })
    expect(await pgvantage('grants', '--role', 'king', 'me')).toMatchObject({ code: 2 })
    expect(await pgvantage('grants', '--role', 'reader')).toMatchObject({ code: 2 })
  })

  it('has the doctor decide its exit code by what it found', async () => {
    expect(await pgvantage('doctor')).toMatchObject({
      code: 0,
      out: expect.stringContaining(`pgvantage in schema public, version ${schemaVersion} of ${schemaVersion}`),
    })
    await sql`alter table dim_tenant alter column name drop not null`.execute(test.db)
    const found = await pgvantage('doctor', '--json')
    expect(found.code).toBe(3)
    expect(JSON.parse(found.out)).toMatchObject({ drift: [{ kind: 'changed', name: 'dim_tenant.name' }] })
    await sql`alter table dim_tenant alter column name set not null`.execute(test.db)
  })

  it('ingests files, reports malformed lines by file and line, and is strict when asked', async () => {
    const file = join(folder, 'some.jsonl')
    const start = BigInt(Date.UTC(2026, 0, 1, 12)) * 1_000_000n
    const span = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      name: 'GET',
      kind: 2,
      startTimeUnixNano: `${start}`,
      endTimeUnixNano: `${start + 5_000_000n}`,
    }
    const request = {
      resourceSpans: [
        { resource: { attributes: [{ key: 'service.name', value: { stringValue: 'web' } }] }, scopeSpans: [{ spans: [span] }] },
      ],
    }
    await writeFile(file, `${JSON.stringify(request)}\nthis is not JSON\n`)
    expect(await pgvantage('ingest', file, '--tenant', 'shop')).toMatchObject({
      code: 2,
      err: 'error: there is no tenant with code "shop": `pgvantage tenants` lists those there are, `pgvantage ingest --create` makes one\n',
    })
    const loaded = await pgvantage('ingest', file, '--tenant', 'shop', '--create')
    expect(loaded).toMatchObject({ code: 0, err: expect.stringMatching(/some\.jsonl:2: /) })
    expect(loaded.out).toContain('windows from 2026-01-01T12:00:00.000Z to 2026-01-01T12:05:00.000Z\n')
    expect(await pgvantage('ingest', file, '--tenant', 'shop', '--strict')).toMatchObject({ code: 3 })
    const report = await pgvantage('ingest', file, '--tenant', 'shop', '--json')
    expect(JSON.parse(report.out)).toMatchObject({ files: [file], range: null, requests: 1, duplicateRequests: 1, spans: 0, malformed: 1 })
    const bad = structuredClone(request)
    bad.resourceSpans[0]!.scopeSpans[0]!.spans = Array.from({ length: 12 }, () => ({ ...span, traceId: 'none' }))
    await writeFile(file, `${JSON.stringify(bad)}\n${JSON.stringify(request)}\n`)
    const refused = await pgvantage('ingest', file, '--tenant', 'shop', '--json', '--strict')
    expect(refused.code).toBe(3)
    expect(refused.err.match(/some\.jsonl:1: resourceSpans\.0\.scopeSpans\.0\.spans\.\d+\.traceId: spans\.traceId must be /g)).toHaveLength(
      10,
    )
    expect(refused.err).toContain('and 2 more (--rejects FILE keeps them all); by reason:')
    expect(JSON.parse(refused.out)).toMatchObject({
      spans: 12,
      malformed: 0,
      refused: { [Object.keys(JSON.parse(refused.out).refused)[0]!]: 12 },
    })
    const { rows } = await sql<{ calls: string }>`select sum(call_count)::text as calls from service_call_5m`.execute(test.db)
    expect(rows).toEqual([{ calls: '1' }])
    expect(await pgvantage('ingest', file, join(folder, 'none'), '--tenant', 'shop')).toMatchObject({
      code: 2,
      err: expect.stringContaining('none cannot be read'),
    })
  })

  describe('ingest', () => {
    const request = (second: number) => logs('reader', [log(second, `line ${second}`)])
    const read = async (...args: string[]) => JSON.parse((await pgvantage('ingest', ...args, '--tenant', 'shop', '--json')).out) as object

    it('reads JSON in any layout, protobuf and what is compressed, told by the bytes', async () => {
      const messages = [0, 1, 2].map((second) => protobufOf(request(second)))
      const files = {
        'pretty.json': `${JSON.stringify(request(3), null, 2)}\n${JSON.stringify(request(4), null, 2)}`,
        'array.json': JSON.stringify([request(5), request(6)]),
        'one.pb': protobufOf(request(7)),
        'exporter.bin': Buffer.concat(messages.map(delimited)),
        'exporter.bin.gz': gzipSync(Buffer.concat([8, 9].map((second) => delimited(zstdCompressSync(protobufOf(request(second))))))),
      }
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
      const paths = Object.keys(files).map((name) => join(folder, name))
      expect(await read(...paths, '--strict')).toMatchObject({ files: paths, requests: 10, logRecords: 10, malformed: 0 })
    })

    it('reads the standard input, once', async () => {
      const text = `${JSON.stringify(request(20))}\n${JSON.stringify(request(21))}\nnot JSON\n`
      const { code, out, err } = await pgvantageReading([text.slice(0, 50), text.slice(50)], 'ingest', '-', '--tenant', 'shop', '--json')
      expect(code).toBe(0)
      expect(JSON.parse(out)).toMatchObject({ files: ['-'], requests: 2, malformed: 1 })
      expect(err).toMatch(/^-:3: not JSON/)
      expect(await pgvantage('ingest', '-', '-', '--tenant', 'shop')).toMatchObject({
        code: 2,
        err: expect.stringContaining('can be read only once'),
      })
    })

    it('is told the format where the bytes do not tell it, and says once what is none', async () => {
      const file = join(folder, 'empty.pb')
      await writeFile(file, protobufOf({ resourceLogs: [{ resource: resource('reader'), scopeLogs: [{ logRecords: [{}] }] }] }))
      expect(await pgvantage('ingest', file, '--tenant', 'shop')).toMatchObject({
        code: 3,
        err: expect.stringContaining("such as 'protobuf-logs'"),
      })
      expect(await read(file, '--format', 'protobuf-logs')).toMatchObject({ requests: 1, logRecords: 1 })
      expect(await pgvantage('ingest', file, '--tenant', 'shop', '--format', 'avro')).toMatchObject({ code: 2 })
      await writeFile(file, Buffer.from('PAR1\x15\x04\n\x15\x10\n\x4c'.repeat(100)))
      const none = await pgvantage('ingest', file, '--tenant', 'shop')
      expect(none.code).toBe(3)
      expect(none.err).toBe(`${file}:1: not a supported format: neither JSON nor protobuf of OTLP, nor gzip or zstd of these\n`)
      expect(await pgvantage('ingest', folder, '--tenant', 'shop')).toMatchObject({ code: 2, err: expect.stringContaining('is a folder') })
    })

    it('reads logs of plain text, and says what it recognised and assumed', async () => {
      const file = join(folder, 'app.log')
      await writeFile(file, '2026-01-01 12:00:01,000 WARN [main] a.B - slow: 3 s\n  at x\n2026-01-01 12:00:02,000 INFO [main] a.B - ok\n')
      const text = ['--tenant', 'shop', '--format', 'text', '--service', 'shop']
      const loaded = await pgvantage('ingest', file, ...text, '--time-zone', 'Europe/Berlin', '--json')
      expect(loaded).toMatchObject({ code: 0, err: expect.stringContaining('; times are Europe/Berlin (--time-zone)\n') })
      expect(loaded.err).toMatch(/^.*app\.log: recognised header: <time:[^>]+> <level> \[<_>\] <logger> - <message>;/)
      expect(JSON.parse(loaded.out)).toMatchObject({
        range: { from: '2026-01-01T11:00:00.000Z' },
        logRecords: 2,
        malformed: 0,
        text: [{ file, timeZone: 'Europe/Berlin', year: null }],
      })
      const piped = await pgvantageReading(
        ['03/04/2026 12:00 a|b\n'],
        'ingest',
        '-',
        ...text,
        '--date-order',
        'dmy',
        '--header',
        '<time> <a>|<message>',
      )
      expect(piped).toMatchObject({ code: 0, err: expect.stringMatching(/^-: header as given: <time:d\/M\/yyyy/) })
      expect(await pgvantageReading(['03/04/2026 12:00:00 a\n'], 'ingest', '-', ...text)).toMatchObject({
        code: 3,
        err: expect.stringContaining('-:1: the dates can be read as dmy or mdy (d day, m month, y year): give the date order\n'),
      })
    })

    it.each([
      [['--format', 'text'], '--service: is needed with --format text'],
      [['--service', 'a'], '--service: is of logs of plain text: give --format text with it'],
      [['--year', '2025'], '--year: is of logs of plain text'],
      [['--format', 'text', '--service', 'a', '--time-zone', 'Mars'], '--time-zone: must be a time zone such as Europe/Berlin'],
      [['--format', 'text', '--service', 'a', '--header', '<time>'], '--header: must end with <message>'],
      [['--format', 'text', '--service', 'a', '--year', '1'], '--year: must be'],
      [['--format', 'text', '--service', 'a', '--date-order', 'x'], '--date-order'],
      [['--message-fields', ''], '--message-fields'],
    ])('refuses %j and says why', async (args, problem) => {
      const refused = await pgvantageReading(['2026-01-01 12:00:00 a\n'], 'ingest', '-', '--tenant', 'shop', ...args)
      expect(refused).toMatchObject({ code: 2, err: expect.stringContaining(problem) })
    })

    it('ends with exit code 3 where every record is of the future', async () => {
      const late = { ...log(0, 'a'), timeUnixNano: `${BigInt(Date.UTC(2200, 0, 1)) * 1_000_000n}` }
      const { code, out } = await pgvantageReading([`${JSON.stringify(logs('reader', [late]))}\n`], 'ingest', '-', '--tenant', 'shop')
      expect(code).toBe(3)
      expect(out).toMatch(/future records +│ +1 /)
    })

    it('says how plain text is read where it found nothing else', async () => {
      const lines = ['2026-01-01 12:00:00 INFO started\n', '2026-01-01 12:00:01 INFO ready\n']
      const { code, err } = await pgvantageReading(lines, 'ingest', '-', '--tenant', 'shop')
      expect(code).toBe(3)
      expect(err).toContain('plain text is read with --format text --service NAME\n')
    })

    it('counts by kind what it does not show', async () => {
      const bad = (second: number) => ({ ...log(second, 'a'), timeUnixNano: 'never' })
      const broken = Array.from({ length: 20 }, (_, second) => `${JSON.stringify(request(30 + second))}\n{"resourceLogs":"\n`).join('')
      await writeFile(join(folder, 'many.jsonl'), `${broken}${JSON.stringify(logs('reader', [bad(0), bad(1), bad(2)]))}`)
      const { err } = await pgvantage('ingest', join(folder, 'many.jsonl'), '--tenant', 'shop')
      expect(err.split('\n').filter((text) => text.includes('many.jsonl:'))).toHaveLength(10)
      expect(err).toContain('and 13 more (--rejects FILE keeps them all); by reason:')
      expect(err).toMatch(/^ +20 {2}not JSON$/m)
      expect(err).toMatch(/^ +3 {2}logRecords\.timeUnixNano must be /m)
    })

    it('reads more files than a process may have open', { timeout: 120_000 }, async () => {
      const files = Array.from({ length: 300 }, (_, index) => join(folder, `traces-${index}.jsonl`))
      await Promise.all(files.map((file, second) => writeFile(file, JSON.stringify(request(second)))))
      const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
      const { stdout } = await promisify(execFile)(
        'sh',
        ['-c', 'ulimit -n 100 && exec "$@"', 'sh', process.execPath, main, 'ingest', ...files, '--tenant', 'shop', '--json', '--strict'],
        { env: { ...process.env, DATABASE_URL: test.url! }, maxBuffer: 10_000_000 },
      )
      expect(JSON.parse(stdout)).toMatchObject({ requests: 300 })
    })
  })

  it('follows files until it is told to stop, and then writes what it has read', async () => {
    const file = join(folder, 'followed.jsonl')
    const request = (second: number) => `${JSON.stringify(logs('web', [log(second, 'it is slow')]))}\n`
    await writeFile(file, `${request(1)}${request(2)}no JSON\n`)
    const stop = new AbortController()
    let [out, err] = ['', '']
    const code = await run(['ingest', '--follow', join(folder, 'followed*'), '--tenant', 'followed', '--create', '--json'], {
      env: { DATABASE_URL: test.url! },
      input: Readable.from([]),
      out: (text) => (out += text),
      err: (text) => {
        err += text
        if (err.includes('followed.jsonl:3: ')) stop.abort()
      },
      interactive: false,
      signal: stop.signal,
    })
    expect(code).toBe(0)
    expect(err).toContain('followed.jsonl: is followed from its beginning')
    expect(JSON.parse(out)).toMatchObject({ logRecords: 2, malformed: 1, lag: { bytes: 0 } })
    const { rows } = await sql<{ logs: number }>`
      select sum(count_total)::int4 as logs from log_pattern_5m join dim_tenant using (tenant_id) where code = 'followed'
    `.execute(test.db)
    expect(rows).toEqual([{ logs: 2 }])
    expect(await pgvantage('ingest', '--follow', '-', '--tenant', 'followed')).toMatchObject({ code: 2 })
  })

  it('takes down only what it is told to', async () => {
    expect(await pgvantage('migrate', 'down')).toMatchObject({ code: 2, err: expect.stringContaining('say --yes') })
    expect(await pgvantage('migrate', 'down', '--yes')).toMatchObject({
      code: 0,
      out: expect.stringContaining('schema public holds nothing of pgvantage any more'),
    })
    expect(await pgvantage('migrate', 'down', '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is nothing to remove'),
    })
  })
})
