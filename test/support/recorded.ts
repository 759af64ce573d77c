import { CompiledQuery, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type DatabaseConnection } from 'kysely'

export interface Recorded {
  /** Executes on the database that was given, which must have one connection. */
  db: Kysely<{}>
  /** Every statement so far, in order, and the `search_path` it ran under. */
  statements: { sql: string; path: string }[]
}

/** A Kysely over another that remembers what it executes. */
export function recorded(db: Kysely<{}>): Recorded {
  const statements: Recorded['statements'] = []
  const connection: DatabaseConnection = {
    executeQuery: async (query) => {
      const { rows } = await db.executeQuery<{ search_path: string }>(CompiledQuery.raw('show search_path'))
      statements.push({ sql: query.sql, path: rows[0]!.search_path })
      return db.executeQuery<never>(CompiledQuery.raw(query.sql, [...query.parameters]))
    },
    // eslint-disable-next-line require-yield -- What a dialect says that cannot.
    async *streamQuery() {
      throw new Error('Streaming is not supported')
    },
  }
  const run = async (statement: string) => void (await connection.executeQuery(CompiledQuery.raw(statement)))
  return {
    statements,
    db: new Kysely<{}>({
      dialect: {
        createAdapter: () => new PostgresAdapter(),
        createIntrospector: (any) => new PostgresIntrospector(any),
        createQueryCompiler: () => new PostgresQueryCompiler(),
        createDriver: () => ({
          init: async () => {},
          acquireConnection: async () => connection,
          beginTransaction: (_, { isolationLevel }) =>
            run(`start transaction${isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`}`),
          commitTransaction: () => run('commit'),
          rollbackTransaction: () => run('rollback'),
          releaseConnection: async () => {},
          destroy: async () => {},
        }),
      },
    }),
  }
}
