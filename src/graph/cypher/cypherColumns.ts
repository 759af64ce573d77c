import { z } from 'zod'
import { plainWords } from '../../schema/plainWords.ts'
import type { Json } from '../../schema/text.ts'
import { boundedText } from '../../schema/text.ts'

/** A vertex in a column of Cypher. `id` is AGE's own. */
export interface CypherVertex<Properties = Record<string, Json>> {
  id: string
  label: string
  properties: Properties
}

/** An edge from the vertex with the id `start_id` to the one with `end_id`. */
export interface CypherEdge<Properties = Record<string, Json>> {
  id: string
  label: string
  start_id: string
  end_id: string
  properties: Properties
}

/** A path: one more vertex than edges, in the order of the walk. */
export interface CypherPath {
  vertices: CypherVertex[]
  edges: CypherEdge[]
}

/** The types that a column of Cypher can have, and the TypeScript type of each. */
export interface CypherTypes {
  text: string
  /** A 64-bit integer, as a string. */
  int8: string
  int4: number
  float8: number
  bool: boolean
  /** A number of any length, as a string. */
  numeric: string
  /** From text such as `2026-11-22T10:00:00Z`; agtype has no type for times. */
  timestamptz: Date
  vertex: CypherVertex
  edge: CypherEdge
  path: CypherPath
  map: Record<string, Json>
  list: Json[]
  /** Any value, as AGE writes it, for `decodeAgtype`. */
  agtype: string
}

export type CypherColumns = Readonly<Record<string, keyof CypherTypes>>

/** The row of these columns. Any column may be null: Cypher cannot exclude that. */
export type CypherRow<Columns extends CypherColumns> = { -readonly [Name in keyof Columns]: CypherTypes[Columns[Name]] | null }

/** The PostgreSQL type that a column is delivered as. */
export const sqlTypes = {
  text: 'text',
  int8: 'int8',
  int4: 'int4',
  float8: 'float8',
  bool: 'bool',
  numeric: 'numeric',
  timestamptz: 'timestamptz',
  vertex: 'jsonb',
  edge: 'jsonb',
  path: 'jsonb',
  map: 'jsonb',
  list: 'jsonb',
  agtype: 'text',
} as const satisfies Record<keyof CypherTypes, string>

/**
 * The name of a column. It must not be a number: objects order such keys first, and columns are
 * matched by order.
 */
const columnName = boundedText(63).refine((name) => !/^\d+$/.test(name), 'must not be a number')

const keepsItsKeys = z.custom<Record<string, keyof CypherTypes>>(
  // zod's record loses a key of this name when it copies, and columns would be confused.
  (columns) => typeof columns !== 'object' || columns === null || !Object.hasOwn(columns, '__proto__'),
  'must not declare a column __proto__',
)

export const cypherColumns = keepsItsKeys
  .pipe(z.record(z.string(), z.enum(Object.keys(sqlTypes) as (keyof CypherTypes)[])))
  .refine((columns) => Object.keys(columns).length > 0, 'must declare at least one column')
  .superRefine((columns, context) => {
    for (const name of Object.keys(columns)) {
      const message = columnName.safeParse(name, { error: plainWords }).error?.issues[0]?.message
      if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message: `the name of a column ${message}` })
    }
  })
