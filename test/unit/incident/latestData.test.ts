import { describe, expect, it } from 'vitest'
import { latestData } from '../../../src/incident/latestData.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope({ installation: { schema: 'obs' } })
const now = new Date('2026-11-22T12:00:00Z')
const flat = (text: string) => text.replaceAll(/\s+/g, ' ').replaceAll(/\$\d+/g, '$')

const newestBucket = (table: string) =>
  '( select newest.bucket from unnest($::timestamptz[], $::timestamptz[]) with ordinality as stretch (since, until, place) ' +
  `cross join lateral ( select bucket from "obs"."${table}" where tenant_id = $::int8 and bucket > stretch.since and bucket <= stretch.until ` +
  'order by bucket desc limit 1 ) as newest order by stretch.place limit 1 )'

describe('latestData', () => {
  it('looks for the newest rows of each kind from now backwards', () => {
    const { sql, parameters } = latestData(scope, { now }).where('kind', '=', 'calls').compile()
    expect(flat(sql)).toBe(
      'select "latest".* from ( select kind, newest_at, extract(epoch from ($::timestamptz - newest_at))::float8 as age_s from ( ' +
        `select 0 as place, 'metrics'::text as kind, ${newestBucket('metric_1m')} as newest_at union all ` +
        `select 1 as place, 'calls'::text as kind, ${newestBucket('service_call_5m')} as newest_at union all ` +
        `select 2 as place, 'logs'::text as kind, ${newestBucket('log_pattern_5m')} as newest_at union all ` +
        `select 3 as place, 'sketches'::text as kind, ${newestBucket('sketch_5m')} as newest_at union all ` +
        "select 4 as place, 'topology'::text as kind, greatest( " +
        '( select pg_catalog.max(at) from "obs"."topo_snapshot" where tenant_id = $::int8 and at <= $::timestamptz ), ' +
        '( select pg_catalog.lower(valid) from "obs"."topo_edge_time" where tenant_id = $::int8 and pg_catalog.lower(valid) <= $::timestamptz ' +
        "and pg_catalog.lower(valid) > '-infinity'::timestamptz order by pg_catalog.lower(valid) desc limit 1 ) ) as newest_at union all " +
        'select 5 as place, \'events\'::text as kind, ( select detected_at from "obs"."event_envelope" where tenant_id = $::int8 ' +
        'and detected_at <= $::timestamptz order by detected_at desc limit 1 ) as newest_at ) as of_each order by place ) as "latest" where "kind" = $',
    )
    const since = ['11:50', '11:00', '06:00'].map((clock) => `2026-11-22T${clock}:00.000Z`)
    expect(parameters[0]).toEqual(now)
    expect(parameters[1]).toEqual([
      ...since,
      '2026-11-21T12:00:00.000Z',
      '2026-11-15T12:00:00.000Z',
      '2026-10-18T12:00:00.000Z',
      '2025-11-23T12:00:00.000Z',
      '0001-01-01T00:00:00.000Z',
    ])
    expect(parameters[2]).toEqual([now.toISOString(), ...(parameters[1] as string[]).slice(0, -1)])
  })

  it('goes no further back than can be stored', () => {
    const { parameters } = latestData(scope, { now: new Date('0001-01-02T00:00:00Z') }).compile()
    expect((parameters[1] as string[]).at(-2)).toBe('0001-01-01T00:00:00.000Z')
  })
})
