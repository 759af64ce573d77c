import { describe, expect, it } from 'vitest'
import { compareTopology } from '../../../src/topology/compareTopology.ts'
import { edgeHistory } from '../../../src/topology/edgeHistory.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { topologyChanges } from '../../../src/topology/topologyChanges.ts'
import { compiled, lookedUp } from '../../support/compiled.ts'
import { at, during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const ends = (edge: string, first: number, src = 'src', dst = 'dst') =>
  `${lookedUp(`${edge}.${src}`, first, 'caller')} ${lookedUp(`${edge}.${dst}`, first + 1, 'callee')} `

const edgeColumns = '"version"."src_resource_id" as "src", "version"."dst_resource_id" as "dst", "version"."relation" as "relation"'
const deciding = 'pg_catalog.lower(version.valid) desc, version.source collate "C"'
const together =
  `(pg_catalog.array_agg(version.props order by ${deciding}))[1] as "props", (pg_catalog.array_agg(version.valid order by ${deciding}))[1] as "valid", ` +
  `pg_catalog.array_agg(version.source order by ${deciding}) as "sources"`
const grouped = 'group by "version"."src_resource_id", "version"."dst_resource_id", "version"."relation"'
const byEdge = (relation: string) => `order by ("caller"."urn") collate "C", ("callee"."urn") collate "C", (${relation}) collate "C"`

describe('the SQL of', () => {
  it('topologyAt puts together what sources say', () => {
    const { sql, parameters } = compiled(topologyAt(unitScope(), { at: at('10:00'), relation: 'calls' }))
    expect(sql).toBe(
      'select "edge".* from (select "version"."src", "version"."dst", null::float8 as "weight", "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn", ' +
        `"version"."relation", "version"."props", nullif(pg_catalog.lower(version.valid), '-infinity') as "valid_from", ` +
        `nullif(pg_catalog.upper(version.valid), 'infinity') as "valid_to", "version"."sources" ` +
        `from (select ${edgeColumns}, ${together} from "public"."topo_edge_time" as "version" ` +
        `where "version"."tenant_id" = $1 and "version"."relation" = $2 and version.valid operator(pg_catalog.@>) $3::timestamptz ${grouped}) as "version" ` +
        `${ends('version', 4)}${byEdge('"version"."relation"')}) as "edge"`,
    )
    expect(parameters).toEqual(['1', 'calls', at('10:00'), '1', '1'])
  })

  it('topologyAt of one source has nothing to put together', () => {
    const { sql, parameters } = compiled(topologyAt(unitScope({ installation: { schema: 'obs' } }), { at: at('10:00'), source: `'; --` }))
    expect(sql).toContain(
      `from (select ${edgeColumns}, version.props as "props", "version"."valid" as "valid", array[version.source] as "sources" ` +
        'from "obs"."topo_edge_time" as "version" where "version"."tenant_id" = $1 and "version"."source" = $2 and version.valid operator(pg_catalog.@>) $3::timestamptz) as "version"',
    )
    expect(parameters).toEqual(['1', `'; --`, at('10:00'), '1', '1'])
  })

  it('topologyChanges finds the edges that changed, then all their versions', async () => {
    const query = topologyChanges(unitScope(), { range: during('10:00', '11:00'), relation: 'calls' }).where('kind', '=', 'appeared')
    const { sql, parameters } = query.compile()
    await expect(sql).toMatchFileSnapshot('topologyChanges.sql')
    expect(new Set(parameters)).toEqual(new Set(['1', 'calls', ...parameters.filter((value) => value instanceof Date), 'appeared']))
    expect(parameters.at(-1)).toBe('appeared')
  })

  it('compareTopology joins two moments', () => {
    const { sql, parameters } = compiled(compareTopology(unitScope(), { before: at('10:00'), after: at('11:00') }))
    const edges = (first: number) =>
      `(select ${edgeColumns}, ${together} from "public"."topo_edge_time" as "version" ` +
      `where "version"."tenant_id" = $${first} and version.valid operator(pg_catalog.@>) $${first + 1}::timestamptz ${grouped})`
    expect(sql).toContain(
      `from ${edges(1)} as "before" full join ${edges(3)} as "after" ` +
        'on "before"."src" = "after"."src" and "before"."dst" = "after"."dst" and "before"."relation" = "after"."relation" ' +
        `where before.props is distinct from after.props) as "compared" ${ends('compared', 5)}order by`,
    )
    expect(parameters).toEqual(['1', at('10:00'), '1', at('11:00'), '1', '1'])
    const whole = compiled(compareTopology(unitScope(), { before: at('10:00'), after: at('11:00'), withUnchanged: true }))
    expect(whole.sql).not.toContain('is distinct from')
  })

  it('edgeHistory', () => {
    const { sql, parameters } = compiled(edgeHistory(unitScope(), { from: 'a', to: `'; --`, source: '' }))
    const from = `nullif(pg_catalog.lower(version.valid), '-infinity')`
    const to = `nullif(pg_catalog.upper(version.valid), 'infinity')`
    expect(sql).toBe(
      `select "version".* from (select "version"."relation", "version"."source", ${from} as "valid_from", ${to} as "valid_to", ` +
        `extract(epoch from ${to} - ${from})::float8 as "duration_s", version.props as "props", "version"."src_resource_id" as "src", ` +
        '"version"."dst_resource_id" as "dst", "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn" ' +
        'from (select "version".* from "public"."topo_edge_time" as "version" where "version"."tenant_id" = $1 and "version"."source" = $2) as "version" ' +
        `${ends('version', 3, 'src_resource_id', 'dst_resource_id')}` +
        'where "version"."src_resource_id" = (select given.resource_id from "public"."dim_resource" as given where given.tenant_id = $5::int8 and given.urn = $6) ' +
        'and "version"."dst_resource_id" = (select given.resource_id from "public"."dim_resource" as given where given.tenant_id = $7::int8 and given.urn = $8) ' +
        'and "public"."require_resources"($9::int8, $10::text[]) ' +
        'order by ("version"."relation") collate "C", ("version"."source") collate "C", pg_catalog.lower(version.valid)) as "version"',
    )
    expect(parameters).toEqual(['1', '', '1', '1', '1', 'a', '1', `'; --`, '1', ['a', `'; --`]])
  })
})
