import type { Compilable } from 'kysely'

/** A query's SQL with every run of white space as one space, and its parameters: what tests of exact SQL compare. */
export function compiled(query: Compilable<unknown>): { sql: string; parameters: readonly unknown[] } {
  const { sql, parameters } = query.compile()
  return { sql: oneLine(sql), parameters }
}

/** Text with every run of white space as one space. */
export const oneLine = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('( ', '(').replaceAll(' )', ')').trim()

/** The join that looks up the tenant's row with an id (`rowOf`); the parameter `$first` is the tenant. */
export function lookedUp(
  id: string,
  first: number,
  alias: string,
  { table = 'dim_resource', key = 'resource_id', schema = 'public', join = 'inner' } = {},
): string {
  const column = id
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')
  return `${join} join lateral (select known.* from "${schema}"."${table}" as known where known."${key}" = ${column} and (known.tenant_id = $${first}::int8) is true offset 0) as "${alias}" on true`
}

/**
 * The tenant's rows of `log_pattern_5m` by the pattern that they are of now (`patternCounts`). The
 * parameters from `$first`: the tenant, the tenant, the range; `more` is a condition.
 */
export const countedPatterns = (first: number, more = '', table = 'log_pattern_5m'): string => `
  from (
    select "count"."bucket", "count"."resource_id",
      case
        when ("count"."fingerprint_id" in (
          select merged.fingerprint_id from "public"."log_pattern" as merged
          where merged.tenant_id = $${first}::int8 and merged.redirect_id is not null
        )) is true
        then (select merged.redirect_id from "public"."log_pattern" as merged where merged.fingerprint_id = "count"."fingerprint_id")
        else "count"."fingerprint_id"
      end as "fingerprint_id",
      "count"."count_total", "count"."count_error"
    from "public"."${table}" as "count"
    where "count"."tenant_id" = $${first + 1} and "count"."bucket" >= $${first + 2} and "count"."bucket" < $${first + 3} ${more}
  ) as "count"`
