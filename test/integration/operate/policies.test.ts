import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { callPolicy } from '../../../src/calls/callPolicy.ts'
import { sketchPolicy } from '../../../src/cardinality/sketchPolicy.ts'
import { patternPolicy } from '../../../src/logs/patternPolicy.ts'
import { applyPolicies } from '../../../src/operate/apply/applyPolicies.ts'
import { planPolicies } from '../../../src/operate/apply/planPolicies.ts'
import type { Policies } from '../../../src/operate/policies/defaultPolicies.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { freshDatabase, leg, onEveryLeg, type TestDatabase } from '../../support/leg.ts'
import { actions, changed, jobs, named, ourJobs, withMetrics } from '../../support/policies.ts'

onEveryLeg('applying policies', () => {
  let test: TestDatabase

  beforeAll(async () => {
    test = await freshDatabase()
  })
  afterAll(() => test?.close())

  it('changes nothing the second time', async () => {
    const planned = await planPolicies(test.db)
    expect(await sql`select from pgvantage_policy`.execute(test.db).then(({ rows }) => rows.length)).toBe(0)
    const { changes } = await applyPolicies(test.db)
    expect(changed(changes)).toEqual(changed(planned))
    const again = await applyPolicies(test.db)
    expect(changed(again.changes)).toEqual([])
    expect(new Set(again.changes.map(({ action }) => action))).toEqual(new Set(jobs ? ['keep'] : ['keep', 'leave']))
  })

  it('says what this server cannot do', async () => {
    const compression = (await planPolicies(test.db)).find(({ kind }) => kind === 'compression')!
    expect(compression.action).toBe(jobs ? 'keep' : 'leave')
    if (!jobs) expect(compression.reason).toMatch(/cannot compress/)
  })

  it('takes the same length in other words for the same', async () => {
    expect(changed(await planPolicies(test.db, { policies: withMetrics({ retain: '4320 hours' }) }))).toEqual([])
  })

  it('changes what is declared otherwise, and what hangs on it', async () => {
    const policies = withMetrics({ retain: '90 days' })
    const plan = await planPolicies(test.db, { policies })
    expect(changed(plan)).toEqual(['change metric_1h refresh', 'change metric_1m retention'])
    expect(plan.find(({ object, kind }) => object === 'metric_1m' && kind === 'retention')).toMatchObject({
      applied: { retain: '180 days' },
      declared: { retain: '90 days' },
    })
    await applyPolicies(test.db, { policies })
    expect(changed(await planPolicies(test.db, { policies }))).toEqual([])
    await applyPolicies(test.db)
    expect(changed(await planPolicies(test.db))).toEqual([])
  })

  it('removes what is no longer declared only when told to', async () => {
    const policies: Policies = { time: [callPolicy, patternPolicy, sketchPolicy] }
    const gone = ['event_envelope retention', 'metric_1d refresh', 'metric_1d retention', 'metric_1h refresh', 'metric_1h retention']
    const all = [...gone, ...(jobs ? ['metric_1m compression'] : []), 'metric_1m retention', 'oo_locator retention']
    const before = await ourJobs(test.db)
    const left = await applyPolicies(test.db, { policies })
    expect(changed(left.changes)).toEqual([])
    expect(named(actions(left.changes).leave).toSorted()).toEqual(all)
    expect(await ourJobs(test.db)).toEqual(before)
    const removed = await applyPolicies(test.db, { policies, remove: true })
    expect(named(actions(removed.changes).remove).toSorted()).toEqual(all)
    expect((await planPolicies(test.db, { policies })).every(({ action }) => action === 'keep')).toBe(true)
    if (jobs) {
      const { rows } = await sql`select from timescaledb_information.jobs where hypertable_name like 'metric%'`.execute(test.db)
      expect(rows).toHaveLength(0)
    }
    await applyPolicies(test.db)
    expect(changed(await planPolicies(test.db))).toEqual([])
  })

  it('goes on where an interrupted one stopped', async () => {
    await applyPolicies(test.db, { policies: { time: [] }, remove: true })
    const interrupt = new AbortController()
    let begun = 0
    const interrupted = applyPolicies(test.db, {
      signal: interrupt.signal,
      onChange: () => {
        if (++begun === 4) interrupt.abort(new Error('enough'))
      },
    })
    await expect(interrupted).rejects.toThrow('enough')
    expect((await planPolicies(test.db)).filter(({ action }) => action === 'keep')).toHaveLength(3)
    await applyPolicies(test.db)
    expect(changed(await planPolicies(test.db))).toEqual([])
  })

  it('leaves nothing of a change that fails', async () => {
    await applyPolicies(test.db, { policies: { time: [] }, remove: true })
    await sql`alter table pgvantage_policy add constraint in_the_way check (object <> 'metric_1h' or kind <> 'retention')`.execute(test.db)
    await expect(applyPolicies(test.db)).rejects.toMatchObject({
      code: 'POLICY_FAILED',
      message: expect.stringMatching(/add the retention of metric_1h.*in_the_way/),
    })
    if (jobs) {
      const { rows } = await sql`
        select from timescaledb_information.jobs where hypertable_name = 'metric_1h' and proc_name = 'policy_retention'
      `.execute(test.db)
      expect(rows).toHaveLength(0)
    }
    await sql`alter table pgvantage_policy drop constraint in_the_way`.execute(test.db)
    await applyPolicies(test.db)
    expect(changed(await planPolicies(test.db))).toEqual([])
  })

  it('refuses a transaction', async () => {
    await expect(test.db.transaction().execute((trx) => applyPolicies(trx))).rejects.toThrow(InvalidInputError)
  })

  it.runIf(leg.concurrent)('happens once when two apply at once', async () => {
    await applyPolicies(test.db, { policies: { time: [] }, remove: true })
    const both = await Promise.all([applyPolicies(test.db), applyPolicies(test.db)])
    // The first there makes a change: each may have made some, and each change was made once.
    const made = both.flatMap(({ changes }) => changed(changes))
    expect(made).not.toEqual([])
    expect(made.toSorted()).toEqual([...new Set(made)].toSorted())
  })
})
