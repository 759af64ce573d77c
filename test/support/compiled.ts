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
