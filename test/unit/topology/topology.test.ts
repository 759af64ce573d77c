import { describe, expect, it } from 'vitest'
import { compareTopology } from '../../../src/topology/compareTopology.ts'
import { edgeHistory } from '../../../src/topology/edgeHistory.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { topologyChanges } from '../../../src/topology/topologyChanges.ts'
import { compiled } from '../../support/compiled.ts'
import { at, during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const ends = (edge: string, first: number) =>
  `inner join "public"."dim_resource" as "source" on "source"."resource_id" = "${edge}"."src" and "source"."tenant_id" = $${first} ` +
  `inner join "public"."dim_resource" as "target" on "target"."resource_id" = "${edge}"."dst" and "target"."tenant_id" = $${first + 1} `

const edgeColumns = '"version"."src_resource_id" as "src", "version"."dst_resource_id" as "dst", "version"."relation" as "relation"'
const deciding = 'pg_catalog.lower("version"."valid") desc, "version"."source" collate "C"'
const together =
  `(pg_catalog.array_agg("version"."props" order by ${deciding}))[1] as "props", (pg_catalog.array_agg("version"."valid" order by ${deciding}))[1] as "valid", ` +
  `pg_catalog.array_agg("version"."source" order by ${deciding}) as "sources"`
const grouped = 'group by "version"."src_resource_id", "version"."dst_resource_id", "version"."relation"'
const byEdge = (relation: string) => `order by ("source"."urn") collate "C", ("target"."urn") collate "C", (${relation}) collate "C"`

describe('the SQL of', () => {
  it('topologyAt puts together what sources say', () => {
    const { sql, parameters } = compiled(topologyAt(unitScope(), { at: at('10:00'), relation: 'calls' }))
    expect(sql).toBe(
      'select "edge".* from (select "edge"."src", "edge"."dst", null::float8 as "weight", "source"."urn" as "src_urn", "target"."urn" as "dst_urn", ' +
        `"edge"."relation", "edge"."props", nullif(pg_catalog.lower("edge"."valid"), '-infinity') as "valid_from", ` +
        `nullif(pg_catalog.upper("edge"."valid"), 'infinity') as "valid_to", "edge"."sources" ` +
        `from (select ${edgeColumns}, ${together} from "public"."topo_edge_time" as "version" ` +
        `where "version"."tenant_id" = $1 and "version"."relation" = $2 and "version"."valid" operator(pg_catalog.@>) $3::timestamptz ${grouped}) as "edge" ` +
        `${ends('edge', 4)}${byEdge('"edge"."relation"')}) as "edge"`,
    )
    expect(parameters).toEqual(['1', 'calls', at('10:00'), '1', '1'])
  })

  it('topologyAt of one source has nothing to put together', () => {
    const { sql, parameters } = compiled(topologyAt(unitScope({ installation: { schema: 'obs' } }), { at: at('10:00'), source: `'; --` }))
    expect(sql).toContain(
      `from (select ${edgeColumns}, "version"."props" as "props", "version"."valid" as "valid", array["version"."source"] as "sources" ` +
        'from "obs"."topo_edge_time" as "version" where "version"."tenant_id" = $1 and "version"."source" = $2 and "version"."valid" operator(pg_catalog.@>) $3::timestamptz) as "edge"',
    )
    expect(parameters).toEqual(['1', `'; --`, at('10:00'), '1', '1'])
  })

  it('topologyChanges looks each moment up', () => {
    const query = topologyChanges(unitScope(), { range: during('10:00', '11:00'), relation: 'calls' }).where('kind', '=', 'appeared')
    const { sql, parameters } = compiled(query)
    const moments = (end: string, first: number) =>
      `select ${edgeColumns}, ${end} as "at" from "public"."topo_edge_time" as "version" where "version"."tenant_id" = $${first} ` +
      `and "version"."relation" = $${first + 1} and ${end} >= $${first + 2}::timestamptz and ${end} < $${first + 3}::timestamptz`
    const said = (holds: string) => `(pg_catalog.array_agg("version"."props" order by ${deciding}) filter (where ${holds}))[1]`
    expect(sql).toBe(
      `select "change".* from (select "moment"."at", case when "said"."props_before" is null then 'appeared' ` +
        `when "said"."props_after" is null then 'vanished' else 'changed' end as "kind", "moment"."src", "moment"."dst", null::float8 as "weight", ` +
        '"source"."urn" as "src_urn", "target"."urn" as "dst_urn", "moment"."relation", "said"."props_before", "said"."props_after" ' +
        `from (${moments('pg_catalog.lower("version"."valid")', 1)} union ${moments('pg_catalog.upper("version"."valid")', 5)}) as "moment" ` +
        `inner join lateral (select ${said(`pg_catalog.lower("version"."valid") < "moment"."at" and coalesce(pg_catalog.upper("version"."valid"), 'infinity') >= "moment"."at"`)} as "props_before", ` +
        `${said('"version"."valid" operator(pg_catalog.@>) "moment"."at"')} as "props_after" from "public"."topo_edge_time" as "version" ` +
        'where "version"."tenant_id" = $9 and "version"."relation" = $10 and "version"."src_resource_id" = "moment"."src" ' +
        'and "version"."dst_resource_id" = "moment"."dst" and "version"."relation" = "moment"."relation") as "said" on true ' +
        `${ends('moment', 11)}where "said"."props_before" is distinct from "said"."props_after" ` +
        `order by "moment"."at", ${byEdge('"moment"."relation"').slice('order by '.length)}) as "change" where "kind" = $13`,
    )
    const range = [at('10:00'), at('11:00')]
    expect(parameters).toEqual(['1', 'calls', ...range, '1', 'calls', ...range, '1', 'calls', '1', '1', 'appeared'])
  })

  it('compareTopology joins two moments', () => {
    const { sql, parameters } = compiled(compareTopology(unitScope(), { before: at('10:00'), after: at('11:00') }))
    const edges = (first: number) =>
      `(select ${edgeColumns}, ${together} from "public"."topo_edge_time" as "version" ` +
      `where "version"."tenant_id" = $${first} and "version"."valid" operator(pg_catalog.@>) $${first + 1}::timestamptz ${grouped})`
    expect(sql).toContain(
      `from ${edges(1)} as "before" full join ${edges(3)} as "after" ` +
        'on "before"."src" = "after"."src" and "before"."dst" = "after"."dst" and "before"."relation" = "after"."relation" ' +
        'inner join "public"."dim_resource" as "source" on "source"."resource_id" = coalesce("before"."src", "after"."src") and "source"."tenant_id" = $5 ' +
        'inner join "public"."dim_resource" as "target" on "target"."resource_id" = coalesce("before"."dst", "after"."dst") and "target"."tenant_id" = $6 ' +
        'where "before"."props" is distinct from "after"."props" order by',
    )
    expect(parameters).toEqual(['1', at('10:00'), '1', at('11:00'), '1', '1'])
    const whole = compiled(compareTopology(unitScope(), { before: at('10:00'), after: at('11:00'), unchanged: true }))
    expect(whole.sql).not.toContain('is distinct from')
  })

  it('edgeHistory', () => {
    const { sql, parameters } = compiled(edgeHistory(unitScope(), { src: 'a', dst: `'; --`, source: '' }))
    const from = `nullif(pg_catalog.lower("version"."valid"), '-infinity')`
    const to = `nullif(pg_catalog.upper("version"."valid"), 'infinity')`
    expect(sql).toBe(
      `select "version".* from (select "version"."relation" as "relation", "version"."source" as "source", ${from} as "valid_from", ${to} as "valid_to", ` +
        `extract(epoch from ${to} - ${from})::float8 as "duration_s", "version"."props" as "props", "version"."src_resource_id" as "src", ` +
        '"version"."dst_resource_id" as "dst", "from_resource"."urn" as "src_urn", "to_resource"."urn" as "dst_urn" from "public"."topo_edge_time" as "version" ' +
        'inner join "public"."dim_resource" as "from_resource" on "from_resource"."resource_id" = "version"."src_resource_id" and "from_resource"."tenant_id" = $1 ' +
        'inner join "public"."dim_resource" as "to_resource" on "to_resource"."resource_id" = "version"."dst_resource_id" and "to_resource"."tenant_id" = $2 ' +
        'where "version"."tenant_id" = $3 and "version"."source" = $4 and "from_resource"."urn" = $5 and "to_resource"."urn" = $6 ' +
        'order by ("version"."relation") collate "C", ("version"."source") collate "C", pg_catalog.lower("version"."valid")) as "version"',
    )
    expect(parameters).toEqual(['1', '1', '1', '', 'a', `'; --`])
  })
})
