import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql, type Selectable } from 'kysely'
import { knownExtensions } from '../../src/database/capabilities.ts'
import { qualified, type Installation } from '../../src/database/installation/installation.ts'
import type { Scope } from '../../src/database/scope.ts'
import type { DB } from '../../src/schema/tables.ts'

const installed: Installation = {
  schema: 'public',
  graphPrefix: 'ops',
  embeddingDimension: 1536,
  embeddingDistance: 'l2',
  embeddingType: 'vector',
  knowledgeLanguage: 'english',
  timeRung: 'community',
}

/**
 * A scope without a server, for tests of the exact SQL: tenant `'1'` of an installation in `public` with every extension. What is built with it
 * compiles; executed, it answers no rows.
 *
 * @param overrides what differs: `unitScope({ extensions: new Set() })`, `unitScope({ installation: { schema: 'obs' } })`.
 * @example
 * expect(callSummary(unitScope(), { range }).compile().sql).toBe('select ...')
 */
export function unitScope({ installation, ...overrides }: UnitScopeOverrides = {}): Scope {
  const place: Installation = { ...installed, ...installation }
  return {
    db: unitKysely(),
    tenantId: '1',
    tenantCode: 't-001',
    installation: place,
    graphName: `${place.graphPrefix}_1`,
    graphMade: true,
    extensions: new Set(knownExtensions),
    hllSchema: 'public',
    table: (name, alias) => sql.raw<Selectable<DB[typeof name]>>(qualified(place, name)).as(alias),
    id: (name) => sql.raw(qualified(place, name)),
    timesKnown: false,
    heldSince: () => null,
    retainedMs: () => null,
    rolledUntil: () => null,
    ...overrides,
  }
}

export type UnitScopeOverrides = Partial<Omit<Scope, 'installation'>> & { installation?: Partial<Installation> }

/** A Kysely instance that compiles PostgreSQL and executes nothing, of any database type. */
export function unitKysely<Database = {}>(): Kysely<Database> {
  return new Kysely<Database>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}
