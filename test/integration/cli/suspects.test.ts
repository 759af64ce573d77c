import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../../src/cli/run.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, insertCalls, insertPatternCounts, insertPatterns, services } from '../../support/rows.ts'

const [web, api, db] = ['urn:k8s:svc:shop/web', 'urn:k8s:svc:shop/api', 'urn:k8s:svc:shop/db'] as const

describe.skipIf(!leg.available || !leg.concurrent)('pgvantage suspects', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase()
    const scope = await tenant(test.db, 'shop')
    const buckets = Array.from({ length: 9 }, (_, n) => at(`10:${String(5 * n).padStart(2, '0')}`))
    const latencies = Array.from({ length: 20 }, (_, call) => 10 + call)
    await insertCalls(
      scope,
      buckets.flatMap((bucket, n) => [
        { bucket, src: web, dst: api, latencies, error_count: n < 6 ? 0 : 15 },
        ...(n < 6 ? [{ bucket, src: api, dst: db, latencies }] : []),
      ]),
    )
    const [refused] = await insertPatterns(scope, [{ pattern: 'card <*> refused', severity: 'ERROR' }])
    await insertPatternCounts(
      scope,
      buckets.slice(6).map((bucket) => ({ bucket, resource: api, fingerprint_id: refused!, count_total: 15, count_error: 15 })),
    )
    await services(scope, [web])
  })
  afterAll(() => test.close())

  async function suspects(...args: string[]) {
    let out = ''
    let err = ''
    const surroundings = { env: { DATABASE_URL: test.url! }, interactive: false }
    const code = await run(['suspects', ...args], { ...surroundings, out: (text) => (out += text), err: (text) => (err += text) })
    return { code, out, err }
  }
  const asked = [
    '--service',
    web,
    '--from',
    '2026-11-22T10:30:00Z',
    '--to',
    '2026-11-22T10:45:00Z',
    '--baseline-from',
    '2026-11-22T10:00:00Z',
  ]

  it('says who, how sure, and why', async () => {
    const { code, out } = await suspects(...asked)
    expect(code).toBe(0)
    const [head, first, ...evidence] = out.split('\n')
    expect(head).toBe(
      `${web}, 2026-11-22T10:30:00.000Z to 2026-11-22T10:45:00.000Z, compared with 2026-11-22T10:00:00.000Z to 2026-11-22T10:30:00.000Z:`,
    )
    expect(first).toMatch(/^1\. urn:k8s:svc:shop\/api, score (?:0\.9\d|1\.00), by web -> api$/)
    expect(evidence).toEqual(
      expect.arrayContaining([
        '   err_rate 0 % -> 75 %, seen by web',
        '   logs the error "card <*> refused": 0 -> 45',
        '   calls of db: 60 -> 0',
      ]),
    )
  })

  it('counts whole buckets, since when trouble began in the middle of one, and draws the same figures', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    try {
      const file = join(folder, 'suspects.svg')
      const window = ['--from', '2026-11-22T10:31:00Z', '--to', '2026-11-22T10:44:00Z', '--baseline-from', '2026-11-22T10:00:00Z']
      const { out } = await suspects('--service', web, ...window, '--picture', file)
      expect(out).toBe((await suspects(...asked)).out)
      await suspects(...asked, '--picture', `${file}.svg`)
      expect(await readFile(file, 'utf8')).toBe(await readFile(`${file}.svg`, 'utf8'))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('warns where there is nothing to compare with', async () => {
    const { code, err } = await suspects('--service', web, '--from', '2026-11-22T10:00:00Z', '--to', '2026-11-22T10:45:00Z')
    expect(code).toBe(0)
    expect(err).toContain(
      'warning: tenant "shop" has no calls, logs or metrics from 2026-11-22T09:00:00.000Z to 2026-11-22T10:00:00.000Z, so whatever happens is more than then',
    )
    expect((await suspects(...asked)).err).not.toContain('so whatever happens')
  })

  it('gives a program all of it', async () => {
    const { out } = await suspects(...asked, '--json', '--limit', '1')
    expect(JSON.parse(out)).toMatchObject({
      service: web,
      range: { from: '2026-11-22T10:30:00.000Z', to: '2026-11-22T10:45:00.000Z' },
      suspects: [
        { urn: api, evidence: [{ kind: 'call' }, { kind: 'pattern', pattern: 'card <*> refused' }, { kind: 'shape', dst_urn: db }] },
      ],
    })
  })

  it('draws them in the call graph around the service', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    const file = join(folder, 'suspects.svg')
    const { code, err } = await suspects(...asked, '--picture', file)
    expect([code, err.includes(`wrote ${file}`)]).toEqual([0, true])
    const svg = await readFile(file, 'utf8')
    for (const words of [
      'Who is behind it: web',
      '1. api, score ',
      'err_rate 0 % &#45;&gt; 75 %, seen by web',
      'calls of db: 60 &#45;&gt; 0',
    ])
      expect(svg).toContain(words)
    const refused = await suspects(...asked, '--picture', 'suspects.png')
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('--picture: must end in .svg')])
    await rm(folder, { recursive: true })
  })

  it('says that there are none, and what is wrong with a command line', async () => {
    const calm = [
      '--service',
      web,
      '--from',
      '2026-11-22T10:15:00Z',
      '--to',
      '2026-11-22T10:30:00Z',
      '--baseline-from',
      '2026-11-22T10:00:00Z',
    ]
    expect((await suspects(...calm)).out).toMatch(/: no suspects\n$/)
    expect(await suspects('--service', 'urn:none', '--from', '2026-11-22T10:30:00Z')).toMatchObject({
      code: 2,
      err: expect.stringContaining('`pgvantage resources WORD` finds others'),
    })
    expect(await suspects('--service', web, '--from', '2026-11-22T10:30:00Z', '--to', '2026-11-22T10:00:00Z')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--from: must be before'),
    })
    expect(await suspects(...asked, '--baseline-to', '2026-11-22T10:40:00Z')).toMatchObject({
      code: 2,
      err: expect.stringContaining('baseline'),
    })
  })
})
