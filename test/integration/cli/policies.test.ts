import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../../src/cli/run.ts'
import { leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertMetrics } from '../../support/rows.ts'
import { databaseOnRung } from '../../support/rung.ts'

describe.skipIf(!leg.available || !leg.concurrent)('pgvantage, keeping policies on a server', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await databaseOnRung('native')
    const scope = await tenant(test.db)
    const bucket = new Date(Date.now() - 3 * 86_400_000)
    bucket.setUTCSeconds(0, 0)
    await insertMetrics(scope, [{ bucket, resource: 'urn:shop', metric: 'load', samples: [1, 2, 3] }])
  })
  afterAll(() => test.close())

  async function pgvantage(args: string[], given: Parameters<typeof run>[1] = {}) {
    let out = ''
    let err = ''
    const code = await run(args, {
      env: { DATABASE_URL: test.url! },
      out: (text) => (out += text),
      err: (text) => (err += text),
      interactive: false,
      ...given,
    })
    return { code, out, err }
  }

  it('plans, applies, and finds nothing more to do', async () => {
    const plan = await pgvantage(['policies', 'plan'])
    expect(plan).toMatchObject({ code: 0, err: '' })
    expect(plan.out).toMatch(/policies apply --convert/)
    expect(plan.out).toMatch(/add\s+│ metric_1m\s+│ retention\s+│ maintain drops what is older than 180 days/)
    expect(plan.out).toMatch(/leave\s+│ metric_1m\s+│ compression/)
    expect(plan.out).toMatch(/22 to do/)
    expect((await pgvantage(['policies', 'plan', '--sql'])).out).toMatch(
      /insert into "public"\."pgvantage_policy" \(object, kind, settings, job_id\)\nvalues \('metric_1m', 'retention'/,
    )
    const { rows } = await sql`select from pgvantage_policy`.execute(test.db)
    expect(rows).toHaveLength(0)
    expect(await pgvantage(['policies', 'apply'])).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/22 done\n$/) })
    expect(await pgvantage(['policies', 'apply'])).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/nothing to do\n$/) })
    const again = JSON.parse((await pgvantage(['policies', 'plan', '--json'])).out)
    expect(again.conversion).toEqual({ fromRung: 'native', toRung: 'apache', obstacles: [] })
    expect(
      again.changes.find(({ object, kind }: { object: string; kind: string }) => object === 'metric_1h' && kind === 'retention'),
    ).toMatchObject({
      action: 'keep',
      declared: { retain: '730 days' },
      statements: [],
    })
  })

  it('takes what differs from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    const file = join(folder, 'policies.json')
    try {
      await writeFile(file, JSON.stringify({ metric_1m: { retain: '90 days' } }))
      expect((await pgvantage(['policies', 'plan', '--policies', file])).out).toMatch(
        /change\s+│ metric_1m\s+│ retention\s+│ maintain drops what is older than 90 days/,
      )
      await writeFile(file, JSON.stringify({ metric_1m: { retain: 'a while' } }))
      expect(await pgvantage(['policies', 'apply', '--policies', file])).toMatchObject({
        code: 2,
        err: expect.stringMatching(/error: metric_1m\.retain.*"a while"/),
      })
      await writeFile(file, '{')
      expect(await pgvantage(['policies', 'plan', '--policies', file])).toMatchObject({
        code: 2,
        err: expect.stringMatching(/--policies: .*policies\.json cannot be read/),
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('maintains, in words and in JSON', async () => {
    const first = await pgvantage(['maintain'])
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toMatch(/roll\s+│ metric_1h\s+│\s+1 │\s+1 │/)
    expect((await pgvantage(['maintain'])).out).toBe('nothing to do\n')
    expect(JSON.parse((await pgvantage(['maintain', '--json'])).out)).toEqual({ steps: [], tooLate: [], notDone: [], journals: [] })
  })

  it('converts when told to', async () => {
    const { code, out } = await pgvantage(['policies', 'apply', '--convert'])
    expect(code).toBe(0)
    expect(out).toMatch(/from native to apache/)
    expect(out).toMatch(/metric_1m\s+│\s+1 │/)
    expect(JSON.parse((await pgvantage(['policies', 'apply', '--convert', '--json'])).out).converted).toBeNull()
  })

  it('ends with 130 when interrupted', async () => {
    for (const args of [['maintain'], ['policies', 'apply']]) {
      expect(await pgvantage(args, { signal: AbortSignal.abort(new Error('interrupted')) })).toMatchObject({ code: 130 })
    }
  })
})
