import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Scope } from '../../../src/database/scope.ts'
import type { EdgeRow } from '../../../src/graph/edgeFrame.ts'
import { services } from '../../support/rows.ts'

export type GivenEdge = readonly [src: string, dst: string, weight?: number | null]

/** An edge frame out of nothing but URNs: `frame(scope, [['a', 'b', 2]])`. It reads a function, so a walk computes it once. */
export async function frame(scope: Scope, edges: readonly GivenEdge[]) {
  return scope.db.selectFrom(rowsOf(await withIds(scope, edges))).selectAll('edge')
}

/** The same edges in a table of their own with an index on each end: a plain frame, which is walked where it lies. */
export async function tableFrame(scope: Scope, edges: readonly GivenEdge[]) {
  const table = sql.id(`edge_${randomUUID()}`)
  await sql`create table ${table} (src int8, dst int8, weight float8)`.execute(scope.db)
  await sql`create index on ${table} (src)`.execute(scope.db)
  await sql`create index on ${table} (dst)`.execute(scope.db)
  const rows = scope.db.selectFrom(rowsOf(await withIds(scope, edges))).selectAll('edge')
  await sql`insert into ${table} ${rows}`.execute(scope.db)
  return scope.db.selectFrom(sql<EdgeRow>`${table}`.as('edge')).selectAll('edge')
}

async function withIds(scope: Scope, edges: readonly GivenEdge[]) {
  const ids = await services(
    scope,
    edges.flatMap(([src, dst]) => [src, dst]),
  )
  return edges.map(([src, dst, weight = null]) => ({ src: ids.get(src)!, dst: ids.get(dst)!, weight }))
}

/** As text, because JSON has neither NaN nor the infinities. */
const rowsOf = (edges: readonly EdgeRow[]) =>
  sql<EdgeRow>`
    jsonb_to_recordset(${JSON.stringify(edges.map(({ weight, ...ends }) => ({ ...ends, weight: weight === null ? null : String(weight) })))}::jsonb)
  `.as<'edge'>(sql`edge (src int8, dst int8, weight float8)`)
