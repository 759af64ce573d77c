import { sql } from 'kysely'
import { distinctOver } from '../src/cardinality/index.ts'
import { tenantScope, type Scope } from '../src/database/index.ts'
import { maintain } from '../src/operate/index.ts'
import { services } from '../test/support/rows.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { newTenant, openTarget, seconds } from './target.ts'

const resources = 50
const days = 28
const runs = 5
const start = new Date('2026-01-05T00:00:00Z')
const range = { from: start, to: new Date(start.getTime() + days * 86_400_000) }

/**
 * `distinctOver` four weeks of five-minute sketches of 50 resources (403,200 rows, half of them with registers in full), against the union that one would write by
 * hand with the extension, in one run: from the five minutes, and from the days that they are rolled up to. Both grow with the rows: a year has 13 times as many.
 */
export async function* sketchDistinct({ url }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (url === undefined) return
  const { db, close } = await openTarget(url)
  try {
    await sql`create extension if not exists hll`.execute(db)
    const { tenantCode } = await newTenant(db)
    await fill(await tenantScope(db, tenantCode))
    const fine = await compare(await tenantScope(db, tenantCode))
    yield { figure: 'sketch.union.vs_hll', value: fine.ours / fine.byHand, unit: 'x' }
    yield { figure: 'sketch.union.five_minutes.ms', value: 1_000 * fine.ours, unit: 'ms' }
    const rolling = await seconds(() => maintain(db, { now: new Date(range.to.getTime() + 3 * 86_400_000) }))
    yield { figure: 'sketch.union.roll.rows_per_s', value: (resources * days * 288) / rolling, unit: 'rows/s' }
    const coarse = await compare(await tenantScope(db, tenantCode))
    yield { figure: 'sketch.union.days.ms', value: 1_000 * coarse.ours, unit: 'ms' }
    yield { figure: 'sketch.union.coarse_speedup', value: fine.ours / coarse.ours, unit: 'x' }
  } finally {
    await close()
  }
}

/** Sketches drawn from 200 that were made before: to make each of its own values would take minutes. */
async function fill(scope: Scope): Promise<void> {
  const ids = await services(
    scope,
    Array.from({ length: resources }, (_, at) => `urn:k8s:svc:shop/service-${at}`),
  )
  await sql`
    with made as materialized (
      select part, hll_send(hll_add_agg(hll_hash_text('user ' || (part * 977 + value) % 100000))) as sketch
      from generate_series(0, 199) as part, generate_series(1, case when part % 2 = 0 then 4000 else 10 + part end) as value
      group by part
    )
    insert into ${scope.id('sketch_5m')} (bucket, tenant_id, resource_id, dimension, count_total, distinct_sketch, heavy_hitters)
    select ${range.from}::timestamptz + slot * interval '5 minutes', ${scope.tenantId}::int8, resource, 'user', 10, made.sketch,
      '{"n": 10, "offset": 0, "counters": {"a": 10}}'
    from unnest(${[...ids.values()]}::int8[]) with ordinality as each (resource, number)
    cross join generate_series(0, ${days * 288 - 1}) as slot
    join made on made.part = (slot * 7 + each.number * 13) % 200
  `.execute(scope.db)
  await sql`vacuum analyze ${scope.id('sketch_5m')}`.execute(scope.db)
}

async function compare(scope: Scope): Promise<{ ours: number; byHand: number }> {
  const byHand = sql<{ users: number }>`
    select hll_cardinality(hll_union_agg(distinct_sketch::hll)) as users from ${scope.id('sketch_5m')}
    where tenant_id = ${scope.tenantId}::int8 and dimension = 'user' and bucket >= ${range.from} and bucket < ${range.to}
  `
  const query = distinctOver(scope, { dimension: 'user', range })
  const [ours] = await query.execute()
  const { rows } = await byHand.execute(scope.db)
  // Two estimates of the same registers.
  if (Math.abs(ours!.distinct_count / rows[0]!.users - 1) > 0.03)
    throw new Error('sketch: distinctOver gives another number than the union by hand')
  const took: { ours: number; byHand: number }[] = []
  for (let run = 0; run < runs; run += 1)
    took.push({ ours: await seconds(() => query.execute()), byHand: await seconds(() => byHand.execute(scope.db)) })
  return { ours: Math.min(...took.map(({ ours }) => ours)), byHand: Math.min(...took.map(({ byHand }) => byHand)) }
}
