import { sql } from 'kysely'
import { z } from 'zod'
import type { Finished } from '../../database/finished.ts'
import { requireExtension, type Scope } from '../../database/scope.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { parse, parseOptions, preview } from '../../schema/parse.ts'
import { checkCypher } from './checkCypher.ts'
import { cypherColumns, sqlTypes, type CypherColumns, type CypherRow } from './cypherColumns.ts'
import { encodeAgtype, type AgtypeInput } from './encodeAgtype.ts'

export interface CypherOptions<Columns extends CypherColumns> {
  /** The columns that the text returns, in order: their names and types. */
  columns: Columns
  /** Whether the text may change the graph. Default false. */
  write?: boolean
}

const cypherOptions = z.strictObject({ columns: cypherColumns, write: z.boolean().default(false) })

/**
 * Runs a Cypher text on the tenant's own graph, as a query with typed columns. Use it in
 * `selectFrom` and in joins, filter it, aggregate it, or pass it to other functions.
 *
 * The text is constant. Variable values are parameters: `$name` in the text, a key of `params`
 * each, with any value that `encodeAgtype` takes. Labels and hop counts cannot be parameters;
 * `cypherText` inlines them. The text may call only Cypher's own functions, and reaches no other
 * graph and no SQL.
 *
 * | declared | in a row |
 * |---|---|
 * | `text`, `bool`, `int4`, `float8` | string, boolean, number, number; cast by the server, as PostgreSQL casts |
 * | `int8`, `numeric` | string of digits |
 * | `timestamptz` | `Date`, from text such as a `Date` parameter becomes |
 * | `vertex`, `edge`, `path` | `{ id, label, properties }`, the same with `start_id` and `end_id`, `{ vertices, edges }`; ids are strings |
 * | `map`, `list` | object, array |
 * | `agtype` | anything, as AGE writes it, for `decodeAgtype` |
 *
 * - Every column may be null. Kysely's `$narrowType` and `NotNull` remove null from the type.
 * - `vertex`, `edge`, `path`, `map` and `list` are `jsonb`, so SQL can read them too. In them,
 *   integers beyond 2^53 - 1, numerics, `'Infinity'`, `'-Infinity'` and `'NaN'` arrive as strings.
 *   To distinguish those from text, declare `agtype`.
 * - Any connection will do. The role needs only to read the graph
 *   (`grant usage on schema ag_catalog, ops_1`,
 *   `grant select on all tables in schema ag_catalog, ops_1`). The text sees what the rest of its
 *   statement sees.
 * - A variable-length pattern enumerates every path. To know what is reached, `reach` is thousands
 *   of times faster.
 * - A text with `write: true` runs once and completely for each execution, even if the query around
 *   it takes only some rows. Its role needs insert, update and delete on every table of the graph.
 *   The next `refreshCallGraph` restores what it mirrors.
 * - A label that does not exist has no vertices; a graph that does not exist is an error. Errors at
 *   run time come from the driver; `explainCypherError` turns them into pgvantage's.
 * - What AGE would answer wrongly is an error too. Before 1.7: texts, numerics, lists and maps that
 *   follow a vertex, edge or path in one list or map (return them as columns). In 32-bit builds
 *   such as WebAssembly: `left`, `right`, `substring`, `startNode` and `endNode`.
 *
 * @throws InvalidInputError if a column type does not exist; if the text uses anything outside of
 * Cypher, changes the graph without `write`, or has a token that does not end; if a parameter is
 * missing, unused, or not representable in agtype. MissingCapabilityError without Apache AGE, and
 * for what AGE up to 1.7 lacks (FOREACH, shortestPath, ON CREATE SET, CALL, ...) or does wrongly
 * (MERGE after MATCH); the message names an alternative.
 * @example
 * const busy = cypher(
 *   scope,
 *   { columns: { urn: 'text', calls: 'int8', who: 'vertex' } },
 *   'MATCH (a:Resource)-[c:CALLS]->(b) WHERE c.rps >= $min RETURN a.urn, count(b), a',
 *   { min: 3 },
 * )
 * await scope.db
 *   .selectFrom(busy.as('busy'))
 *   .innerJoin(scope.table('dim_resource', 'resource'), 'resource.urn', 'busy.urn')
 *   .select(['resource.name', 'busy.calls', 'busy.who'])
 *   .where('busy.calls', '>', '10')
 *   .execute()
 * // [{ name: 'checkout', calls: '14', who: { id: '844424930131970', label: 'Resource', properties:
 * //   { urn: 'urn:k8s:svc:shop/checkout', ... } } }]
 *
 * // select "found".* from "public"."cypher_read"($1, $2, $3, $4::text[], $5, $6) as "found" ("urn"
 * //   text, "calls" int8, "who" jsonb)
 */
export function cypher<const Columns extends CypherColumns>(
  scope: Scope,
  options: CypherOptions<Columns>,
  text: string,
  params: Readonly<Record<string, AgtypeInput>> = {},
): Finished<CypherRow<Columns>, 'found'> {
  requireExtension(scope, 'age', 'cypher', 'reach, impact and shortestPath walk any edge frame')
  const { columns, write } = parseOptions(cypherOptions, options)
  const { parameters, newer, wide } = checkCypher(text, { write })
  const map = parameterMap(parameters, params)
  const definition = sql.join(Object.entries(columns).map(([name, type]) => sql`${sql.id(name)} ${sql.raw(sqlTypes[type])}`))
  const rows = sql<CypherRow<Columns>>`${scope.id(write ? 'cypher_write' : 'cypher_read')}(
    ${scope.graphName}, ${text}, ${map}, ${Object.values(columns)}::text[], ${newer}, ${wide}
  )`.as<'found'>(sql`"found" (${definition})`)
  return scope.db.selectFrom(rows).selectAll('found').$castTo<CypherRow<Columns>>()
}

/** The parameters as one map, as AGE takes them; null if there are none. */
function parameterMap(used: ReadonlySet<string>, params: Readonly<Record<string, AgtypeInput>>): string | null {
  parse(z.record(z.string(), z.unknown()), params, 'params')
  const text = encodeAgtype(params, 'params')
  const missing = [...used].filter((name) => !Object.hasOwn(params, name))
  if (missing.length > 0) throw new InvalidInputError('params', `lacks ${missing.join(', ')}, which the text uses`)
  const unused = Object.keys(params).filter((name) => !used.has(name))
  if (unused.length > 0) throw new InvalidInputError('params', `has ${preview(unused.join(', '))}, which the text does not use`)
  return used.size === 0 ? null : text
}
