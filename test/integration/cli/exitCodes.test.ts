import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureTenant } from '../../../src/catalog/tenants.ts'
import { freshDatabase, leg, type TestDatabase } from '../../support/leg.ts'
import { log, logs } from '../../unit/ingest/telemetry.ts'
import { pgvantage, urlOf } from './pgvantage.ts'

describe.skipIf(!leg.available || !leg.concurrent)('the exit codes of pgvantage', () => {
  let test: TestDatabase
  let folder: string
  const run = (...args: string[]) => pgvantage(test.url!, ...args)
  beforeAll(async () => {
    test = await freshDatabase()
    await ensureTenant(test.db, { code: 'shop' })
    folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    const good = `${JSON.stringify(logs('reader', [log(0, 'a line')]))}\n`
    const refused = JSON.stringify(logs('reader', [{ ...log(1, 'a line'), timeUnixNano: 'never' }]))
    const files = {
      good,
      text: 'this is no telemetry\n',
      other: '{"foo": 1}\n',
      thousand: '{"resourceLogs": 1}\n'.repeat(1000),
      refused,
      mixed: `${good}not JSON\n`,
      empty: '',
    }
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  })
  afterAll(async () => {
    await test.close()
    await rm(folder, { recursive: true })
  })

  const ingest = (names: string, ...options: string[]) =>
    run('ingest', ...names.split(' ').map((name) => join(folder, name)), '--tenant', 'shop', ...options)

  it.each<[number, string, string[]]>([
    [0, 'good', []],
    // The second time every request has come before, which is no fault of the file's.
    [0, 'good', ['--strict']],
    [0, 'mixed', []],
    [3, 'mixed', ['--strict']],
    [3, 'text', []],
    [3, 'other', []],
    [3, 'thousand', []],
    [3, 'refused', []],
    [3, 'good text', []],
    [0, 'empty', ['--strict']],
    [0, 'good empty', []],
    [2, 'absent', []],
    [2, 'good absent', []],
  ])('is %i for ingest of %s %j', async (code, names, options) => {
    expect(await ingest(names, ...options)).toMatchObject({ code })
  })

  it.each<[number, string[]]>([
    [0, ['migrate', 'status']],
    [0, ['migrate', 'up']],
    [0, ['policies', 'plan']],
    [0, ['doctor']],
    [0, ['tenants']],
    [0, ['resources', 'nothing is called so']],
    [0, ['patterns']],
    [0, ['patterns', '--new']],
    [0, ['patterns', '--bursting', '--limit', '0']],
    [1, ['migrate', 'status', '--schema', 'elsewhere', '--database', 'postgres://nobody@127.0.0.1:1/none']],
    [1, ['tenants', '--schema', 'elsewhere']],
    [2, ['resources', '--tenant', 'shpo']],
    [2, ['refresh-graph', '--tenant', 'shpo']],
    [2, ['graph', '--tenant', 'shpo', '--resource', 'urn:a']],
    [2, ['graph', '--tenant', 'shop', '--resource', 'urn:a']],
    [2, ['patterns', '--new', '--tenant', 'shpo']],
    [2, ['patterns', '--vanished', '--service', 'urn:a']],
    [2, ['suspects', '--tenant', 'shpo', '--service', 'urn:a', '--from', '2026-11-22T10:00:00Z']],
    [2, ['ingest', '-', '--tenant', 'shpo']],
    [2, ['migrate', 'up', '--embedding-dimension', '5000']],
    [2, ['grants', '--role', 'reader', '']],
    [2, ['policies', 'plan', '--policies', '/none']],
  ])('is %i for %j, whatever it prints', async (code, args) => {
    expect(await run(...args)).toMatchObject({ code })
    const { code: same, out } = await run(...args, '--json')
    expect(same).toBe(code)
    const document = JSON.parse(out) as object
    if (code === 0) expect(document).not.toHaveProperty('error')
    else expect(document).toEqual({ error: { code: expect.any(String), message: expect.any(String) } })
  })

  it('is 3 where the doctor finds an error', async () => {
    await sql`alter table dim_tenant alter column name drop not null`.execute(test.db)
    expect(await run('doctor')).toMatchObject({ code: 3 })
    await sql`alter table dim_tenant alter column name set not null`.execute(test.db)
    expect(await run('doctor')).toMatchObject({ code: 0 })
  })

  it('has a summary of a thousand rejects, all of them in a file, and how many in its document', async () => {
    const kept = join(folder, 'kept.jsonl')
    const { err, out } = await ingest('thousand', '--json', '--rejects', kept)
    const reason = 'not an OTLP export request: resourceLogs: must be an array'
    expect(err.split('\n').filter((line) => /thousand:\d+: /.test(line))).toHaveLength(10)
    expect(err).toMatch(/and 990 more \(all are in .*kept\.jsonl\); by reason:\n {6}1,000 {2}not an OTLP/)
    expect(err.split('\n').length).toBeLessThan(15)
    const file = join(folder, 'thousand')
    expect(JSON.parse(out)).toMatchObject({
      malformed: 1000,
      withoutRequests: [file],
      rejects: { count: 1000, reasons: [{ reason, count: 1000 }], first: expect.toSatisfy((first: unknown[]) => first.length === 10) },
    })
    const lines = (await readFile(kept, 'utf8')).trimEnd().split('\n')
    expect(lines).toHaveLength(1000)
    expect(JSON.parse(lines[999]!)).toEqual({ file, line: 1000, reason, records: 1 })
    expect(await ingest('thousand', '--rejects', folder)).toMatchObject({ code: 2, err: expect.stringContaining('--rejects: ') })
  })

  it('says of the server what to do', async () => {
    const url = test.url!
    expect(await pgvantage(urlOf(url, { database: 'no such database' }), 'tenants')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: database "no such database" does not exist: create it/),
    })
    expect(
      await pgvantage(urlOf(url, { options: '-c default_transaction_read_only=on' }), 'ingest', join(folder, 'good'), '-t', 'shop'),
    ).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: cannot execute .* in a read-only transaction: .*connect to the primary/),
    })
    expect(await pgvantage(urlOf(url, { options: '-c default_transaction_read_only=on' }), 'maintain')).toMatchObject({ code: 1 })
  })
})
