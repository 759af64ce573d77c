import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refreshCallGraph } from '../../../src/calls/index.ts'
import { deleteTenant, ensureTenant, listTenants } from '../../../src/catalog/index.ts'
import { tenantScope } from '../../../src/database/index.ts'
import { evidenceChain } from '../../../src/events/index.ts'
import { cypher, mirrorGraph } from '../../../src/graph/index.ts'
import { retrievalQuality, searchKnowledge } from '../../../src/knowledge/index.ts'
import { newPatterns, patternDiversity, patternSeries } from '../../../src/logs/index.ts'
import { labelCardinality, latestMetrics, metricSeries } from '../../../src/metrics/index.ts'
import {
  applyPolicies,
  doctor,
  maintain,
  migrateStatus,
  migrateUp,
  refreshRange,
  schemaDrift,
  type Role,
} from '../../../src/operate/index.ts'
import { executedBy, writtenBy } from '../../../src/operate/rights/needs.ts'
import { distinctCount } from '../../../src/sketch/index.ts'
import { topologyAt } from '../../../src/topology/index.ts'
import { everyWrite } from '../../support/everyWrite.ts'
import { ageReads, graphReads } from '../../support/graphReads.ts'
import { graphTimes, makeGraphWorld } from '../../support/graphWorld.ts'
import { freshDatabase, leg, onEveryLeg, type TestDatabase } from '../../support/leg.ts'
import { frameOf } from '../../support/points.ts'
import { actingAs, closeWithRoles, createRole, grantAll } from '../../support/role.ts'
import { at, during } from '../../support/rows.ts'
import { seriesReads } from '../../support/seriesReads.ts'

const names = ['urn:web', 'urn:cart', 'urn:pay', 'urn:stock', 'urn:mail', 'urn:db', 'urn:host']
const denied = /permission denied|must be owner|may not act as it/

onEveryLeg('a role made from what `grants` lists, and nothing else', () => {
  let test: TestDatabase
  const role: Record<string, string> = {}
  const as = <T>(kind: Role, work: (db: Kysely<{}>) => Promise<T>) => actingAs(test, role[kind]!, work)
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    // Nothing of what a database is open for by default.
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(test.db)
    await sql`revoke all on database ${sql.id(rows[0]!.name)} from public`.execute(test.db)
    await sql`revoke all on schema public from public`.execute(test.db)
    role.owner = await createRole(test, 'owner')
    await grantAll(test, { role: 'owner', login: role.owner })
    await as('owner', (db) => migrateUp(db))
    for (const kind of ['reader', 'writer', 'maintainer', ...(leg.age ? (['refresher'] as const) : [])] as const) {
      role[kind] = await createRole(test, kind)
      await grantAll(test, { role: kind, login: role[kind], schema: 'public' })
    }
  })
  afterAll(() => closeWithRoles(test, Object.values(role)))

  it('owns an installation that is whole', async () => {
    await as('owner', async (db) => {
      const { installation } = await migrateUp(db)
      expect(await schemaDrift(db, { schema: installation.schema })).toEqual([])
      const { findings, roles } = await doctor(db)
      expect(findings.filter(({ severity, code }) => severity === 'error' || code === 'rights')).toEqual([])
      expect(roles).toContainEqual({ role: 'owner', lacking: [] })
    })
  })

  it('writes everything there is to write', async () => {
    await as('writer', async (db) => {
      await ensureTenant(db, { code: 'written' })
      await ensureTenant(db, { code: 'written', name: 'again' })
      const scope = await tenantScope(db, 'written')
      for (const write of Object.values(everyWrite)) await write(scope)
      // What the reads below read; the helper writes rows by SQL of its own.
      await ensureTenant(db, { code: 'a' })
      await makeGraphWorld(await tenantScope(db, 'a'), names, { size: 1, age: false })
    })
  })

  it.runIf(leg.age)('refreshes and mirrors graphs, and writes to them', async () => {
    await as('refresher', async (db) => {
      for (const code of ['a', 'written']) {
        const scope = await tenantScope(db, code)
        await refreshCallGraph(scope, graphTimes.refreshed)
        await mirrorGraph(scope, topologyAt(scope, { at: at('10:40'), relation: 'calls' }), { label: 'HAS', attributes: ['relation'] })
      }
      const scope = await tenantScope(db, 'a')
      const made = await cypher(scope, { columns: { n: 'int4' }, write: true }, "CREATE (:Note {text: 'mine'}) RETURN 1").execute()
      expect(made).toEqual([{ n: 1 }])
      // The new label has a table of its own; whoever refreshes next opens it to readers.
      await refreshCallGraph(scope, graphTimes.refreshed)
    })
  })

  it('reads everything there is to read', async () => {
    await as('reader', async (db) => {
      const scope = await tenantScope(db, 'a')
      const points = Array.from({ length: 24 }, (_, index) => ({
        series: 'x',
        bucket: new Date(graphTimes.baseline.from.getTime() + index * 300_000),
        value: index < 18 ? (index % 3) + 1 : 100 + (index % 2),
      }))
      const series = seriesReads(scope, frameOf(scope, points), { before: graphTimes.baseline, after: graphTimes.range })
      const range = during('09:00', '11:00')
      const queries: Record<string, { execute(): Promise<unknown> }> = {
        ...series,
        ...Object.fromEntries(Object.entries(graphReads(scope, names)).map(([name, { query }]) => [name, query])),
        ...(leg.age ? Object.fromEntries(Object.entries(ageReads(scope, names)).map(([name, { query }]) => [name, query])) : {}),
        metricSeries: metricSeries(scope, { metric: 'process.cpu.utilization', measure: 'p95', range }),
        'metricSeries, by the hour': metricSeries(scope, {
          metric: 'process.cpu.utilization',
          measure: 'avg',
          range,
          resolution: '1 hour',
        }),
        latestMetrics: latestMetrics(scope, { metric: 'process.cpu.utilization', measure: 'avg', range }),
        labelCardinality: labelCardinality(scope, { range }),
        patternDiversity: patternDiversity(scope, { range }),
        patternSeries: patternSeries(scope, { measure: 'count_total', range }),
        newPatterns: newPatterns(scope, { range }),
        searchKnowledge: searchKnowledge(scope, { embedding: Array.from({ length: 1536 }, (_, index) => Math.cos(index)) }),
        evidenceChain: evidenceChain(scope, { eventId: crypto.randomUUID() }),
        distinctCount: distinctCount(scope, topologyAt(scope, { at: at('10:40') }), 'src'),
      }
      for (const [name, query] of Object.entries(queries)) {
        await query.execute().catch((cause: unknown) => {
          throw new Error(`${name} is not for readers`, { cause })
        })
      }
      const golden = [{ question: 'why is it slow?', relevant: [{ source: 'wiki', title: 'unheard of' }] }]
      const rerank = async (_: string, texts: string[]) => texts.map(() => 0)
      expect(await retrievalQuality(scope, { golden, rerank })).toMatchObject({ missing: [{ title: 'unheard of' }] })
      if (leg.age)
        expect(await cypher(scope, { columns: { text: 'text' } }, 'MATCH (n:Note) RETURN n.text').execute()).toEqual([{ text: 'mine' }])
      expect(await listTenants(db)).toHaveLength(2)
      expect(await migrateStatus(db)).toMatchObject({ installed: true, pending: [] })
      expect((await doctor(db)).findings.filter(({ severity }) => severity === 'error')).toEqual([])
    })
  })

  it('is told by the doctor what it can be, and what it lacks for the rest', async () => {
    for (const [kind, can] of [
      ['reader', ['reader']],
      ['writer', ['reader', 'writer']],
      ...(leg.age ? [['refresher', ['reader', 'refresher']] as const] : []),
    ] as const) {
      const { roles, findings } = await as(kind, (db) => doctor(db))
      expect([kind, roles.filter(({ lacking }) => lacking.length === 0).map((state) => state.role)]).toEqual([kind, can])
      expect(roles.find((state) => state.role === 'maintainer')!.lacking).toEqual([
        expect.stringContaining(`membership in "${role.owner}"`),
        expect.stringContaining(`membership in "${role.owner}"`),
      ])
      expect(findings.find(({ code }) => code === 'rights')).toMatchObject({ severity: 'info' })
    }
    const maintainer = await as('maintainer', (db) => doctor(db))
    expect(maintainer.roles.filter(({ lacking }) => lacking.length === 0).map((state) => state.role)).toContain('maintainer')
  })

  it('does nothing that it is not for', async () => {
    const upkeep: Record<string, (db: Kysely<{}>) => Promise<unknown>> = {
      maintain: (db) => maintain(db),
      applyPolicies: (db) => applyPolicies(db),
      deleteTenant: (db) => deleteTenant(db, 'a'),
      'a partition, or whatever else': (db) => sql`create table public.theirs (like public.metric_1m)`.execute(db),
      'a mark': (db) => sql`insert into public.pgvantage_stale_bucket (rollup, bucket) values ('metric_1h', '1999-01-01')`.execute(db),
      ...(leg.name === 'community'
        ? {}
        : { 'a rolled row': (db: Kysely<{}>) => sql`update public.metric_1h_stored set avg_val = 0`.execute(db) }),
      'the installation': (db) => sql`update public.pgvantage_installation set graph_prefix = 'x'`.execute(db),
      'a function': (db) =>
        sql`create or replace function public.ewma_step(float8, float8, float8) returns float8 language sql return 1`.execute(db),
      'a trigger': (db) =>
        sql`create trigger theirs after insert on public.metric_1m execute function public.note_stale_buckets('metric_1h', '1 hour')`.execute(
          db,
        ),
      truncate: (db) => sql`truncate public.metric_1m`.execute(db),
    }
    const graphs: Record<string, (db: Kysely<{}>) => Promise<unknown>> = leg.age
      ? {
          refreshCallGraph: async (db) => refreshCallGraph(await tenantScope(db, 'a'), graphTimes.refreshed),
          cypher: async (db) =>
            cypher(await tenantScope(db, 'a'), { columns: { n: 'int4' }, write: true }, 'MATCH (n) DETACH DELETE n RETURN 1').execute(),
          call_graph_drop: async (db) => sql`select public.call_graph_drop(${(await tenantScope(db, 'a')).graphName})`.execute(db),
        }
      : {}
    const writes = {
      ensureTenant: (db: Kysely<{}>) => ensureTenant(db, { code: 'more' }),
      ...Object.fromEntries(
        Object.entries(everyWrite).map(([name, write]) => [name, async (db: Kysely<{}>) => write(await tenantScope(db, 'a'))]),
      ),
    }
    const refuses = async (kind: Role, forbidden: Record<string, (db: Kysely<{}>) => Promise<unknown>>) => {
      for (const [name, attempt] of Object.entries(forbidden)) {
        const outcome: unknown = await as(kind, attempt).then(
          () => 'was done',
          (error: unknown) => error,
        )
        expect([kind, name, String(outcome)]).toEqual([kind, name, expect.stringMatching(denied)])
      }
    }
    await refuses('reader', { ...upkeep, ...graphs, ...writes })
    await refuses('writer', { ...upkeep, ...graphs })
    if (leg.age) await refuses('refresher', { ...upkeep, ...writes })
  })

  it('keeps everything up as the owner, whose everything stays', async () => {
    await as('maintainer', async (db) => {
      await applyPolicies(db)
      await maintain(db)
      await refreshRange(db, { table: 'metric_1m', range: during('09:00', '11:00') })
      const { findings } = await doctor(db)
      expect(findings.filter(({ severity, code }) => severity === 'error' || code === 'owner')).toEqual([])
      await deleteTenant(db, 'written')
    })
    await as('owner', (db) => deleteTenant(db, 'a'))
    const { rows } = await sql<{ owner: string }>`
      select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = 'public'::regnamespace and relname ~ '^(metric|service_call|log_pattern|pgvantage)_'
    `.execute(test.db)
    expect(rows).toEqual([{ owner: role.owner }])
  })
})

describe.runIf(leg.available && leg.name === 'embedded')('what a writer is granted', () => {
  let test: TestDatabase
  let writer: string
  beforeAll(async () => {
    test = await freshDatabase()
    writer = await createRole(test, 'writer')
    await grantAll(test, { role: 'writer', login: writer })
  })
  afterAll(() => test.close())

  const everything = async (db: Kysely<{}>, code: string) => {
    await ensureTenant(db, { code })
    for (const write of Object.values(everyWrite)) await write(await tenantScope(db, code))
  }

  it('is needed to the last right', async () => {
    let code = 0
    await actingAs(test, writer, (db) => everything(db, `t-${code++}`))
    for (const [table, rights] of Object.entries(writtenBy)) {
      for (const right of rights) {
        await sql`revoke ${sql.raw(right)} on ${sql.id(table)} from ${sql.id(writer)}`.execute(test.db)
        const outcome: unknown = await actingAs(test, writer, (db) => everything(db, `t-${code++}`)).catch((error: unknown) => error)
        expect([table, right, String(outcome)]).toEqual([table, right, expect.stringContaining(`permission denied for table ${table}`)])
        await sql`grant ${sql.raw(right)} on ${sql.id(table)} to ${sql.id(writer)}`.execute(test.db)
      }
    }
    expect(Object.values(executedBy)).toContain('owner')
  })
})
