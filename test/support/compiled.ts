import type { Compilable } from 'kysely'

/** A query's SQL with every run of white space as one space, and its parameters: what tests of exact SQL compare. */
export function compiled(query: Compilable<unknown>): { sql: string; parameters: readonly unknown[] } {
  const { sql, parameters } = query.compile()
  return { sql: oneLine(sql), parameters }
}

/** Text with every run of white space as one space. */
export const oneLine = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('( ', '(').replaceAll(' )', ')').trim()
