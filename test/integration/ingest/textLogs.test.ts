import { Readable } from 'node:stream'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { ingest, type IngestOptions } from '../../../src/ingest/ingest.ts'
import type { RecognisedText } from '../../../src/ingest/sources/text/readTextLogs.ts'
import { burstingPatterns } from '../../../src/logs/burstingPatterns.ts'
import { newPatterns } from '../../../src/logs/newPatterns.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

const minute = 60_000
/** A month ago, at a full hour. */
const start = Math.floor((Date.now() - 30 * 86_400_000) / 3_600_000) * 3_600_000
const stamp = (minutes: number) => new Date(start + minutes * minute).toISOString().replace('T', ' ').replace('Z', '')
const line = (minutes: number, text: string) => `${stamp(minutes)} ${text}\n`

onEveryLeg('a log of plain text', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  const load = (scope: Scope, text: string, options: Partial<IngestOptions> = {}) =>
    ingest(scope, Readable.from([text]), { text: { service: 'shop' }, ...options })

  const counts = async ({ db, id, tenantId }: Scope) => {
    const { rows } = await sql<{ pattern: string; total: number; errors: number }>`
      select pattern, sum(count_total)::int4 as total, sum(count_error)::int4 as errors
      from ${id('log_pattern_5m')} join ${id('log_pattern')} using (tenant_id, fingerprint_id)
      where tenant_id = ${tenantId}::int8 group by pattern order by pattern collate "C"
    `.execute(db)
    return rows.map(({ pattern, total, errors }) => `${total} ${errors} ${pattern}`)
  }

  const hour = Array.from({ length: 60 }, (_, at) => line(at, `INFO [main] shop.Cart - order ${at} took ${at * 7} ms`))
  const trace = `${line(30.5, 'ERROR [main] shop.Cart - no stock')}java.lang.IllegalStateException: no stock\n\tat shop.Cart.add(Cart.java:12)\n`

  it('of last month is loaded with its lines in any order, and is what the reads find', async () => {
    const scope = await tenant(test.db, 'text-old')
    const recognised: RecognisedText[] = []
    const late = [...hour.slice(40), trace, ...hour.slice(0, 40).toReversed()]
    const report = await load(scope, late.join(''), { onRecognised: (text) => recognised.push(text) })
    expect(report).toMatchObject({ logRecords: 61, malformed: 0, lateRecords: 0, windows: 12, recordsWithoutService: 0 })
    expect(report.records.logs).toEqual({ read: 61, rolledUp: 61, waiting: 0, duplicate: 0, late: 0, refused: 0 })
    expect(recognised).toEqual([expect.objectContaining({ timeZone: 'UTC', year: null, container: null })])
    const found = await counts(scope)
    expect(found).toEqual([expect.stringMatching(/^1 1 no stock .*IllegalStateException/), '60 0 order <*> took <*> ms'])

    const at = (minutes: number) => new Date(start + minutes * minute)
    const fresh = await newPatterns(scope, { range: { from: at(30), to: at(60) } }).execute()
    expect(fresh.map(({ pattern }) => pattern)).toEqual([expect.stringContaining('IllegalStateException')])
    await expect(
      burstingPatterns(scope, { range: { from: at(30), to: at(60) }, baseline: { from: at(0), to: at(30) } }).execute(),
    ).resolves.toBeInstanceOf(Array)
  })

  it('counts once when it is read again after it has grown, or in pieces by another name', async () => {
    const scope = await tenant(test.db, 'text-grown')
    const before = hour.slice(0, 20).join('') + trace.split('\n')[0]!
    await load(scope, before)
    const report = await load(scope, hour.slice(0, 20).join('') + trace + hour.slice(20).join(''), {
      origin: { objectBucket: '/logs', objectKey: 'app.log.1' },
    })
    expect(report).toMatchObject({ duplicateRequests: 21 })
    expect(await counts(scope)).toEqual(['1 1 no stock', '60 0 order <*> took <*> ms'])
  })

  it('counts every one of many lines that are the same', async () => {
    const scope = await tenant(test.db, 'text-same')
    await load(scope, line(1, 'tick').repeat(500))
    expect(await counts(scope)).toEqual(['500 0 tick'])
  })

  it('that cannot be read is reported, and the others are loaded', async () => {
    const scope = await tenant(test.db, 'text-none')
    const problems: string[] = []
    const report = await ingest(
      scope,
      [
        { source: Readable.from(['no log\n']), origin: { objectBucket: 'b', objectKey: 'README' } },
        { source: Readable.from([line(1, 'tick')]), origin: { objectBucket: 'b', objectKey: 'app.log' } },
      ],
      { text: { service: 'shop' }, onMalformed: ({ file, line, reason }) => problems.push(`${file}:${line}: ${reason}`) },
    )
    expect(problems).toEqual([expect.stringMatching(/^README:1: no header with a time is in its lines: give the header/)])
    expect(report).toMatchObject({ malformed: 1, withoutRequests: ['README'], logRecords: 1 })
  })

  it('has NUL, lone surrogates and what a terminal does, and is stored', async () => {
    const scope = await tenant(test.db, 'text-bytes')
    const bytes = Buffer.concat([
      Buffer.from(line(1, 'a \u001b[31mb')),
      Buffer.from([0xed, 0xa0, 0x80, 0]),
      Buffer.from(`\n${line(2, 'c')}`),
    ])
    const report = await ingest(scope, Readable.from([bytes]), { text: { service: 'shop' } })
    expect(report.records.logs).toMatchObject({ read: 2, rolledUp: 2 })
  })

  it.each([
    [{ text: {} }, 'text.service'],
    [{ text: { service: 'a', zone: 'x' } }, 'text'],
    [{ text: { service: 'a' }, format: 'json' }, 'format'],
    [{ text: { service: 'a', timeZone: 'Mars' } }, 'timeZone'],
    [{ text: { service: 'a', header: '<time>' } }, 'header'],
  ])('%j is refused and names %s', async (options, field) => {
    const scope = await tenant(test.db, 'text-options')
    await expect(load(scope, line(1, 'a'), options as never)).rejects.toThrow(new RegExp(`^${field}: `))
  })
})
