import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { FoundPatterns } from '../../../src/cli/patterns/findPatterns.ts'
import { apartFromTime, tenant } from '../../support/leg.ts'
import { at, insertPatternCounts, insertPatterns, services } from '../../support/rows.ts'
import { servedDatabase } from '../../support/servedDatabase.ts'
import { pgvantage } from './pgvantage.ts'

const cart = 'urn:k8s:svc:shop/cart'
const payment = 'urn:k8s:svc:shop/payment'

/** Buckets of five minutes from one time of the tests' day until before another. */
const buckets = (from: string, to: string) =>
  Array.from({ length: (at(to).getTime() - at(from).getTime()) / 300_000 }, (_, index) => new Date(at(from).getTime() + index * 300_000))

apartFromTime('pgvantage patterns', () => {
  let test: Awaited<ReturnType<typeof servedDatabase>>
  const run = (...args: string[]) => pgvantage(test.url, 'patterns', ...args)
  const found = async (...args: string[]) => JSON.parse((await run('--json', '--tenant', 'shop', ...args)).out) as FoundPatterns
  const names = async (...args: string[]) => (await found(...args)).patterns.map(({ pattern }) => pattern)

  beforeAll(async () => {
    test = await servedDatabase()
    vi.useFakeTimers({ now: at('12:00'), toFake: ['Date'] })
    const scope = await tenant(test.db, 'shop')
    const long = `a long message that says ${'more and '.repeat(60)}more`
    const [requests, louder, gone, fresh, rare, longId] = await insertPatterns(scope, [
      { pattern: 'request <*>', severity: 'INFO', first_seen: at('06:00') },
      { pattern: 'retry <*>', severity: 'WARN', first_seen: at('06:00') },
      { pattern: 'heartbeat', severity: 'DEBUG', first_seen: at('06:00') },
      { pattern: 'cannot connect to <*>', severity: 'ERROR', first_seen: at('09:41:30') },
      { pattern: 'rare', first_seen: at('09:42') },
      { pattern: long, first_seen: at('09:43') },
    ])
    const row = (bucket: Date, fingerprint_id: string, count_total: number, resource = cart, count_error = 0) => ({
      bucket,
      resource,
      fingerprint_id,
      count_total,
      count_error,
    })
    await insertPatternCounts(scope, [
      ...buckets('06:00', '09:30').flatMap((bucket) => [row(bucket, requests!, 100), row(bucket, louder!, 5), row(bucket, gone!, 10)]),
      ...buckets('09:30', '10:00').flatMap((bucket) => [row(bucket, requests!, 100), row(bucket, louder!, 40)]),
      row(at('09:40'), fresh!, 1_200, cart, 1_200),
      row(at('09:40'), fresh!, 34, payment, 34),
      row(at('09:40'), rare!, 1, payment),
      row(at('09:40'), longId!, 2, payment),
    ])
    await services(scope, ['urn:silent'])
    await tenant(test.db, 'empty')
    const begun = await tenant(test.db, 'begun')
    const [first] = await insertPatterns(begun, [{ pattern: 'hello', first_seen: at('09:50:10') }])
    await insertPatternCounts(begun, [row(at('09:50'), first!, 30)])
  })
  afterAll(async () => {
    vi.useRealTimers()
    await test.close()
  })

  it('lists new patterns of the last half hour that has logs', async () => {
    const { code, out, err } = await run('--new', '-t', 'shop')
    expect(code).toBe(0)
    expect(out).toMatch(
      /^3 patterns of tenant "shop" are new from 2026-11-22T09:30:00.000Z to 2026-11-22T10:00:00.000Z\n┌[^]*│ 1,234 │ 2026-11-22T09:41:30Z │ ERROR /,
    )
    expect(err).toBe(
      'warning: the newest logs of tenant "shop" are of 2026-11-22T09:55:00.000Z, 125 minutes before 2026-11-22T12:00:00.000Z: what happened since is not known\n' +
        'warning: the logs of urn:k8s:svc:shop/payment begin within this range, so all they log is new to them\n',
    )
    expect(
      Math.max(
        ...out
          .split('\n')
          .slice(1)
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100)
    expect(out).toMatch(/ a long message[^│]*│\n[^\n]*\n[^\n]*… *│\n/)
    expect(await found('--new')).toMatchObject({
      tenant: 'shop',
      service: null,
      which: 'new',
      range: { from: '2026-11-22T09:30:00.000Z', to: '2026-11-22T10:00:00.000Z' },
      baseline: null,
      logsSince: '2026-11-22T06:00:00.000Z',
      patterns: [
        { pattern: 'cannot connect to <*>', count_total: 1_234, count_error: 1_234, resources: [cart, payment] },
        { pattern: 'rare' },
        {},
      ],
      more: 0,
    })
  })

  it('compares with the day before the range, or with what there is of it', async () => {
    const { code, out } = await run('--bursting', '-t', 'shop')
    expect(code).toBe(0)
    expect(out).toMatch(
      /^3 patterns of tenant "shop" burst from 2026-11-22T09:30:00.000Z to 2026-11-22T10:00:00.000Z, compared with the time from 2026-11-22T06:00:00.000Z to 2026-11-22T09:30:00.000Z\n/,
    )
    expect(out).toMatch(/│ +240 │ +30 │ +[\d.]+ │ WARN +│ urn:k8s:svc:shop\/cart +│ retry <\*> +│/)
    expect(await found('--vanished')).toMatchObject({
      which: 'vanished',
      range: { from: '2026-11-22T09:30:00.000Z' },
      baseline: { from: '2026-11-22T06:00:00.000Z', to: '2026-11-22T09:30:00.000Z' },
      patterns: [{ pattern: 'heartbeat', urn: cart, count_total: 0, expected: 60, score: expect.any(Number) }],
      more: 0,
    })
  })

  it('lists what is most of the log where nothing else is asked', async () => {
    const { code, out } = await run('-t', 'shop')
    expect(code).toBe(0)
    expect(out).toMatch(
      /^5 patterns of tenant "shop" were logged from 2026-11-22T09:30:00.000Z to 2026-11-22T10:00:00.000Z, compared with the time from 2026-11-22T06:00:00.000Z to 2026-11-22T09:30:00.000Z\n/,
    )
    // 1,234 of 2,077 records, and 240, eight times as many as before.
    expect(out).toMatch(/│ +1,234 │ +59.4% │ +│ +1,234 │ urn:k8s:svc:shop\/cart +│ cannot connect to <\*> +│/)
    expect(out).toMatch(/│ +240 │ +11.6% │ +8 │ +0 │ urn:k8s:svc:shop\/cart +│ retry <\*> +│/)
    expect(await found('--limit', '2')).toMatchObject({
      which: 'noisiest',
      baseline: { from: '2026-11-22T06:00:00.000Z', to: '2026-11-22T09:30:00.000Z' },
      patterns: [
        { pattern: 'cannot connect to <*>', count_total: 1_234, growth: null, resources: [cart, payment] },
        { pattern: 'request <*>', count_total: 600, growth: 1 },
      ],
      more: 3,
    })
    expect(await names('--service', payment)).toEqual(['cannot connect to <*>', expect.stringMatching(/^a long message/), 'rare'])
    expect((await run('-t', 'begun')).err).toMatch(/\nwarning: tenant "begun" has no logs from .*, so growth is not known\n$/)
  })

  it('takes the windows it is given', async () => {
    expect(await names('--new', '--from', '2026-11-22T09:42:00Z', '--to', '2026-11-22T09:43:00Z')).toEqual(['rare'])
    expect(await names('--new', '--to', '2026-11-22T09:42:30Z', '--last', '45 seconds')).toEqual(['rare'])
    expect(await found('--bursting', '--last', '20 minutes')).toMatchObject({ range: { from: '2026-11-22T09:40:00.000Z' } })
    // Without an end, to the newest logs, or where it begins after them, to now.
    expect(await found('--new', '--from', '2026-11-22T09:30:00Z')).toMatchObject({ range: { to: '2026-11-22T10:00:00.000Z' } })
    expect(await found('--new', '--from', '2026-11-22T11:00:00Z')).toMatchObject({
      range: { to: '2026-11-22T12:00:00.000Z' },
      patterns: [],
    })
    expect(await found('--vanished', '--baseline-from', '2026-11-22T08:00:00Z', '--baseline-to', '2026-11-22T09:00:00Z')).toMatchObject({
      baseline: { from: '2026-11-22T08:00:00.000Z', to: '2026-11-22T09:00:00.000Z' },
      patterns: [{ expected: 60 }],
    })
    expect(await found('--vanished', '--baseline-to', '2026-11-22T08:00:00Z')).toMatchObject({
      baseline: { from: '2026-11-22T06:00:00.000Z', to: '2026-11-22T08:00:00.000Z' },
    })
  })

  it('lists those of one service, and no more than asked', async () => {
    expect(await names('--bursting', '--service', cart)).toEqual(['cannot connect to <*>', 'retry <*>'])
    expect((await run('--bursting', '-t', 'shop', '-s', payment)).out).toMatch(/^1 pattern of urn:k8s:svc:shop\/payment bursts from /)
    expect(await found('--new', '--limit', '1')).toMatchObject({ patterns: [{}], more: 2 })
    expect((await run('--new', '-t', 'shop', '-l', '1')).out).toMatch(/^3 patterns [^]*\nand 2 more: --limit\n$/)
    expect((await run('--new', '-t', 'shop', '-l', '0')).out).toMatch(/^3 patterns .*\nand 3 more: --limit\n$/)
  })

  it('says that nothing was found, and what makes that worth less', async () => {
    const calm = ['-t', 'shop', '--from', '2026-11-22T08:00:00Z', '--to', '2026-11-22T08:30:00Z']
    expect(await run('--new', ...calm)).toEqual({
      code: 0,
      out: 'no pattern of tenant "shop" is new from 2026-11-22T08:00:00.000Z to 2026-11-22T08:30:00.000Z\n',
      err: '',
    })
    expect((await run('--vanished', ...calm)).out).toMatch(
      /^no pattern of tenant "shop" has vanished from .*, compared with the time from .*\n$/,
    )
    const silent = await run('--vanished', ...calm, '-s', 'urn:silent')
    expect(silent.out).toMatch(/^no pattern of urn:silent has vanished/)
    expect(silent.err).toBe(
      'warning: urn:silent has no logs from 2026-11-22T08:00:00.000Z to 2026-11-22T08:30:00.000Z\n' +
        'warning: urn:silent has no logs from 2026-11-22T06:00:00.000Z to 2026-11-22T08:00:00.000Z, so nothing can have vanished since\n',
    )
    const empty = await run('--new', '-t', 'empty')
    expect(empty).toMatchObject({ code: 0, out: expect.stringMatching(/^no pattern of tenant "empty" is new from /) })
    expect(empty.err).toMatch(/^warning: tenant "empty" has no logs up to .*\nwarning: tenant "empty" has no logs from .*\n$/)
    expect(JSON.parse((await run('--new', '-t', 'empty', '--json')).out)).toMatchObject({ logsSince: null, patterns: [], more: 0 })
  })

  it('says that everything is new where the logs have just begun', async () => {
    const { out, err } = await run('--new', '-t', 'begun')
    expect(out).toMatch(/^1 pattern of tenant "begun" is new from /)
    expect(err).toContain(
      'warning: the logs of tenant "begun" begin at 2026-11-22T09:50:10.000Z, within this range, so every pattern is new\n',
    )
    expect((await run('--bursting', '-t', 'begun')).err).toMatch(
      /warning: tenant "begun" has no logs from 2026-11-21T09:25:00.000Z to 2026-11-22T09:25:00.000Z, so every pattern is more often than then\n$/,
    )
    expect((await run('--new', '-t', 'shop')).err).not.toContain('begin at')
    const service = ['--new', '-t', 'shop', '-s', 'urn:k8s:svc:shop/payment']
    expect((await run(...service)).err).toContain(
      'warning: the logs of urn:k8s:svc:shop/payment begin at 2026-11-22T09:41:30.000Z, within this range, so every pattern is new\n',
    )
    expect((await run(...service.slice(0, 4), cart)).err).not.toContain('begin')
  })

  it('refuses what it cannot answer, and names the option', async () => {
    for (const [args, message] of [
      [
        ['-s', `${cart}x`],
        /^error: tenant "shop" has no resource with URN .* most similar it has are urn:k8s:svc:shop\/cart, .*resources WORD/,
      ],
      [['-s', ''], /^error: --service: must not be empty, got ""\n$/],
      [['--last', 'a while'], /^error: --last: must be a positive interval/],
      [
        ['--from', '2026-11-22T10:00:00Z', '--to', '2026-11-22T09:00:00Z'],
        /^error: --from: must not be after to \(2026-11-22T09:00:00.000Z\)/m,
      ],
      [['--baseline-from', '2026-11-22T09:45:00Z'], /^error: --baseline-from: must not be after to \(2026-11-22T09:30/m],
      [['--baseline-to', '2026-11-22T09:45:00Z'], /^error: --baseline-from: must not overlap the range/m],
    ] as const) {
      expect(await run('--bursting', '-t', 'shop', ...args)).toMatchObject({ code: 2, out: '', err: expect.stringMatching(message) })
    }
    expect(await run('--new')).toMatchObject({ code: 2, err: expect.stringContaining('--tenant: say which: there are 3 tenants') })
    expect(JSON.parse((await run('--new', '-t', 'shop', '-s', 'urn:none', '--json')).out)).toMatchObject({
      error: { code: expect.any(String) },
    })
  })
})
