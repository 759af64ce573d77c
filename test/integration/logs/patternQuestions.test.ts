import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { rollUp } from '../../../src/ingest/rollUp.ts'
import { writeRollups } from '../../../src/ingest/writer/writeRollups.ts'
import { noisiestPatterns } from '../../../src/logs/noisiestPatterns.ts'
import { patternDetails } from '../../../src/logs/patternDetails.ts'
import { searchPatterns } from '../../../src/logs/searchPatterns.ts'
import { similarPatterns } from '../../../src/logs/similarPatterns.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { all, date, log, logs, requests } from '../../unit/ingest/telemetry.ts'

const users = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta']
const range = { from: date(600), to: date(1200) }
const times = (count: number, from: number, message: (at: number) => string, severity = 9) =>
  Array.from({ length: count }, (_, at) => log(from + at, message(at), severity))
const [a, b] = ['urn:k8s:svc:shop/a', 'urn:k8s:svc:shop/b']

onEveryLeg('questions about patterns', () => {
  let test: TestDatabase
  let scope: Scope
  const idOf = async (pattern: string) => {
    const { rows } = await sql<{ id: string }>`
      select fingerprint_id::text as id from ${scope.id('log_pattern')} where tenant_id = ${scope.tenantId}::int8 and pattern = ${pattern}
    `.execute(scope.db)
    return rows[0]!.id
  }
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 't-001')
    const payloads = [
      // Before they have enough values to be one pattern.
      logs(
        'a',
        users.slice(0, 3).map((user, at) => log(at, `session of ${user} has ended`)),
      ),
      logs(
        'a',
        times(10, 100, () => 'connection refused by peer', 17),
      ),
      logs(
        'a',
        times(40, 600, () => 'connection refused by peer', 17),
      ),
      logs(
        'a',
        times(20, 700, (at) => `order ${at} was lost`),
      ),
      logs(
        'b',
        times(20, 700, (at) => `order ${at} was lost`),
      ),
      logs(
        'b',
        users.map((user, at) => log(800 + at, `session of ${user} has ended`)),
      ),
      logs(
        'b',
        times(4, 901, () => 'connection reset by peer'),
      ),
      logs('b', [log(1300, 'after the range')]),
    ]
    for (const window of await all(rollUp(requests(payloads)))) await writeRollups(scope, window)
    // Another tenant's messages are its own.
    const other = await tenant(test.db, 't-002')
    for (const window of await all(
      rollUp(
        requests([
          logs(
            'a',
            times(500, 600, () => 'connection refused by peer'),
          ),
        ]),
      ),
    )) {
      await writeRollups(other, window)
    }
  })
  afterAll(() => test.close())

  describe('noisiestPatterns', () => {
    it('has counts, shares and growth, the most frequent first', async () => {
      const noisy = await noisiestPatterns(scope, { range }).execute()
      expect(
        noisy.map(({ pattern, count_total, count_error, growth, resources }) => [pattern, count_total, count_error, growth, resources]),
      ).toEqual([
        ['connection refused by peer', 40, 40, 4, [a]],
        ['order <*> was lost', 40, 0, null, [a, b]],
        ['session of <*> has ended', 6, 0, 2, [b]],
        ['connection reset by peer', 4, 0, null, [b]],
      ])
      expect(noisy[0]).toMatchObject({ severity: 'ERROR', sample_message: 'connection refused by peer', share: 40 / 90, score: 40 })
    })

    it('of a resource has its shares; of a baseline of another length it takes the rate', async () => {
      const noisy = await noisiestPatterns(scope, { range, resource: b, baseline: { from: date(-600), to: date(600) } }).execute()
      expect(noisy.map(({ pattern, share, growth }) => [pattern, share, growth])).toEqual([
        ['order <*> was lost', 20 / 30, null],
        ['session of <*> has ended', 6 / 30, null],
        ['connection reset by peer', 4 / 30, null],
      ])
      const [refused] = await noisiestPatterns(scope, { range, baseline: { from: date(-600), to: date(600) } }).execute()
      expect(refused).toMatchObject({ pattern: 'connection refused by peer', growth: 8 })
    })

    it('can be narrowed', () =>
      expectNarrows(
        noisiestPatterns(scope, { range }),
        (eb) => eb('count_error', '=', 0),
        ({ count_error }) => count_error === 0,
      ))
  })

  describe('searchPatterns', () => {
    const found = async (text: string) => (await searchPatterns(scope, { text }).execute()).map(({ pattern }) => pattern)

    it('finds by some words, misspelt ones and whole messages', async () => {
      expect(await found('connection refused')).toEqual(['connection refused by peer', 'connection reset by peer'])
      expect((await found('conection refussed'))[0]).toBe('connection refused by peer')
      expect((await searchPatterns(scope, { text: 'order 4711 was lost' }).execute())[0]).toMatchObject({
        pattern: 'order <*> was lost',
        score: 1,
      })
      expect(await found('nothing of the kind')).toEqual([])
    })

    it('finds what the pattern was before it became part of another one', async () => {
      expect(await found('session of alpha')).toEqual(['session of <*> has ended'])
    })

    it('takes the least similarity, and text that tries to be more', async () => {
      expect(await searchPatterns(scope, { text: 'connection refused', threshold: 1 }).execute()).toHaveLength(1)
      expect(await found(`'; drop table log_pattern; --`)).toEqual([])
      expect(await found('%_\\')).toEqual([])
    })

    it('can be narrowed', () =>
      expectNarrows(
        searchPatterns(scope, { text: 'connection' }),
        (eb) => eb('severity', '=', 'ERROR'),
        ({ severity }) => severity === 'ERROR',
      ))
  })

  it('similarPatterns finds other patterns, also by an id of before', async () => {
    const similar = await similarPatterns(scope, { fingerprintId: await idOf('connection refused by peer') }).execute()
    expect(similar.map(({ pattern }) => pattern)).toEqual(['connection reset by peer'])
    expect(similar[0]!.score).toBeGreaterThan(0.5)
    const before = await similarPatterns(scope, { fingerprintId: await idOf('session of alpha has ended'), threshold: 0 }).execute()
    expect(before.map(({ pattern }) => pattern)).not.toContain('session of <*> has ended')
    expect(before.length).toBeGreaterThan(2)
    expect(await similarPatterns(scope, { fingerprintId: '9223372036854775807' }).execute()).toEqual([])
  })

  it('patternDetails has each resource, samples and where raw records are', async () => {
    const whole = { from: date(0), to: date(1200) }
    const details = await patternDetails(scope, { fingerprintId: await idOf('session of alpha has ended'), range: whole }).execute()
    expect(details.map(({ urn, count_total, last_bucket }) => [urn, count_total, last_bucket])).toEqual([
      [b, 6, date(600)],
      [a, 3, date(0)],
    ])
    expect(details[0]).toMatchObject({
      fingerprint_id: await idOf('session of <*> has ended'),
      pattern: 'session of <*> has ended',
      first_seen: date(0),
      last_seen: date(805),
      object_bucket: expect.any(String) as string,
    })
    expect(details[0]!.sample_messages).toContain('session of alpha has ended')
    expect(details[0]!.object_key).toEqual(expect.any(String) as string)
    const { first_line, last_line } = details[0]!
    expect(first_line).toBeGreaterThan(0)
    expect(last_line).toBeGreaterThanOrEqual(first_line!)
    const refused = { fingerprintId: await idOf('connection refused by peer'), range }
    expect(await patternDetails(scope, refused).execute()).toMatchObject([{ urn: a, count_total: 40, count_error: 40 }])
    expect(await patternDetails(scope, { fingerprintId: '9223372036854775807', range }).execute()).toEqual([])
  })
})
