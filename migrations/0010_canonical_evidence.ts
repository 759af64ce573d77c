import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'

/**
 * Evidence names a row in one way of writing, so that what names the same row is the same text.
 * What cannot be read stays as it is.
 */
export const canonicalEvidence: Migration = {
  name: '0010_canonical_evidence',
  up: (installation) => {
    const evidence = qualified(installation, 'evidence_link')
    const time = qualified(installation, 'pgvantage_canonical_time')
    const reference = qualified(installation, 'pgvantage_canonical_reference')
    return [
      `create function ${time}(given text) returns text
language sql stable
begin atomic
  select case
    when given ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$'
      and pg_catalog.pg_input_is_valid(given, 'timestamptz')
    then case
      when given::timestamptz between timestamptz '0001-01-01 00:00:00+00' and timestamptz '9999-12-31 23:59:59.999999+00'
      then pg_catalog.to_char(given::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
        || pg_catalog.regexp_replace(pg_catalog.to_char(given::timestamptz at time zone 'UTC', '.US'), '000$', '') || 'Z'
    end
  end;
end`,
      `create function ${reference}(given jsonb) returns jsonb
language sql stable
begin atomic
  select case
    when given ->> 'table' in (
      'dim_resource', 'metric_1m', 'service_call_5m', 'log_pattern', 'log_pattern_5m', 'topo_edge_time', 'kb_doc', 'kb_chunk', 'event_envelope'
    ) and pg_catalog.jsonb_typeof(given -> 'keys') = 'object'
    then pg_catalog.jsonb_set(given, '{keys}', (
      select coalesce(pg_catalog.jsonb_object_agg(key.name, coalesce(pg_catalog.to_jsonb(canonical.value), key.value)), '{}')
      from pg_catalog.jsonb_each(given -> 'keys') as key (name, value)
      cross join lateral (
        select case when pg_catalog.jsonb_typeof(key.value) in ('string', 'number') then key.value #>> '{}' end as value
      ) as written
      cross join lateral (
        select case
          when written.value is null then null
          when key.name = 'event_id' then
            case when pg_catalog.pg_input_is_valid(written.value, 'uuid') then written.value::uuid::text end
          when key.name in ('series_id', 'resource_id', 'src_resource_id', 'dst_resource_id', 'fingerprint_id', 'doc_id', 'chunk_id') then
            case
              when written.value ~ '^[+-]?[0-9]+$' and pg_catalog.pg_input_is_valid(written.value, 'int8') then written.value::int8::text
            end
          when key.name = 'bucket' then ${time}(written.value)
          when key.name = 'valid' then (
            select '[' || ${time}(part[1]) || ',' || case when part[2] = '' then '' else ${time}(part[2]) end || ')'
            from pg_catalog.regexp_match(written.value, '^[[]"?([^][()",]+)"?,"?([^][()",]*)"?[)]$') as part
          )
        end as value
      ) as canonical
    ))
    else given
  end;
end`,
      `lock table ${evidence} in share row exclusive mode`,
      // Of pieces that become the same the first stays, with its note, as it would have if they had been the same when they came.
      `delete from ${evidence}
where evidence_id in (
  select evidence_id
  from (
    select evidence_id, row_number() over (partition by event_id, dim, coalesce(ref_oo, 0), ${reference}(ref_pg) order by evidence_id) as nth
    from ${evidence}
  ) as piece
  where nth > 1
)`,
      `update ${evidence} set ref_pg = ${reference}(ref_pg) where ref_pg <> ${reference}(ref_pg)`,
      `drop function ${reference}`,
      `drop function ${time}`,
    ]
  },
  down: () => [],
}
