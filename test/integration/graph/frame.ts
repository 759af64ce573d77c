import { sql } from 'kysely'
import type { Scope } from '../../../src/database/scope.ts'
import { services } from '../../support/rows.ts'

/** An edge frame out of nothing but URNs: `frame(scope, [['a', 'b', 2]])`. */
export async function frame(scope: Scope, edges: readonly (readonly [src: string, dst: string, weight?: number | null])[]) {
  const ids = await services(
    scope,
    edges.flatMap(([src, dst]) => [src, dst]),
  )
  const rows = edges.map(([src, dst, weight = null]) => ({ src: ids.get(src), dst: ids.get(dst), weight }))
  return scope.db
    .selectFrom(
      sql<{ src: string; dst: string; weight: number | null }>`
        jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      `.as<'edge'>(sql`edge (src int8, dst int8, weight float8)`),
    )
    .selectAll('edge')
}
