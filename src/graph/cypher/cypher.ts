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
  /** What the text returns, in its order: the names the columns get, and their types. */
  columns: Columns
  /** Whether the text may change the graph. Default false. */
  write?: boolean
}

const cypherOptions = z.strictObject({ columns: cypherColumns, write: z.boolean().default(false) })

/**
 * What a Cypher text returns from the tenant's own graph, as a query with typed columns: for
 * `selectFrom` and joins with any table, to narrow, to sum up, to put into other functions.
 *
 * The text is a constant. What varies is `$name` in it, one key of `params` each: any value
 * `encodeAgtype` takes. Labels and bounds of hops, which cannot be parameters, are inlined by
 * `cypherText`. The text calls Cypher's own functions only, and reaches no other graph nor SQL.
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
 * Vertices to lists are `jsonb`, so SQL reads them too. What no number of JSON can hold arrives in
 * them as a string, digit for digit: integers beyond 2^53 - 1, numerics, `'Infinity'`,
 * `'-Infinity'`, `'NaN'`. Whoever must tell such a string from a text declares `agtype`. Every
 * column may be null; Kysely's `$narrowType` and `NotNull` say where none is.
 *
 * It runs on any connection, also of a role that knows nothing of AGE and may only read the graph
 * (`grant usage on schema ag_catalog, ops_1`,
 * `grant select on all tables in schema ag_catalog, ops_1`), and sees what the rest of its
 * statement sees. A variable-length pattern enumerates every path: to know what is reached, `reach`
 * is thousands of times faster.
 *
 * A text that writes (`write: true`) runs once per execution, all of it, whatever the query around
 * it takes; its role must have insert, update and delete on every table of the graph. What
 * `refreshCallGraph` mirrors, it makes right again at its next run.
 *
 * Errors while it runs are the driver's, with a message that says what AGE did not understand;
 * `explainCypherError` makes them pgvantage's. A label that does not exist has no vertices; a graph
 * that does not exist is an error. So is what AGE would answer wrongly: before 1.7, texts,
 * numerics, lists and maps that follow a vertex, edge or path in one list or map (return them as
 * columns); compiled for 32 bits, as in WebAssembly, `left`, `right`, `substring`, `startNode` and
 * `endNode`.
 *
 * @throws InvalidInputError when a column has no such type; when the text calls or casts to what is
 * not Cypher's own, changes the graph unasked, or is cut wrongly; when a parameter is missing, not
 * used, or nothing agtype can hold. MissingCapabilityError without Apache AGE, and for what it does
 * not have up to 1.7 (FOREACH, shortestPath, ON CREATE SET, CALL, ...) or does wrongly (MERGE after
 * MATCH), with what to use instead.
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

/** The parameters as AGE takes them, one map; null when there is none. */
function parameterMap(used: ReadonlySet<string>, params: Readonly<Record<string, AgtypeInput>>): string | null {
  parse(z.record(z.string(), z.unknown()), params, 'params')
  const text = encodeAgtype(params, 'params')
  const missing = [...used].filter((name) => !Object.hasOwn(params, name))
  if (missing.length > 0) throw new InvalidInputError('params', `lacks ${missing.join(', ')}, which the text uses`)
  const unused = Object.keys(params).filter((name) => !used.has(name))
  if (unused.length > 0) throw new InvalidInputError('params', `has ${preview(unused.join(', '))}, which the text does not use`)
  return used.size === 0 ? null : text
}
