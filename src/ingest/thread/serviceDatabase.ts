import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely'
import { alone, type Calls } from './calls.ts'
import type { ServiceSide, TransactionNumber } from './sides.ts'

/** The service's database, for this thread: every statement is sent there. */
export const serviceDatabase = (service: Calls<ServiceSide>): Kysely<{}> =>
  new Kysely<{}>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new ServiceDriver(service),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })

class ServiceDriver implements Driver {
  readonly #service: Calls<ServiceSide>

  constructor(service: Calls<ServiceSide>) {
    this.#service = service
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<ServiceConnection> {
    return new ServiceConnection(this.#service)
  }

  beginTransaction(connection: ServiceConnection): Promise<void> {
    return connection.begin()
  }

  commitTransaction(connection: ServiceConnection): Promise<void> {
    return connection.end('commit')
  }

  rollbackTransaction(connection: ServiceConnection): Promise<void> {
    return connection.end('roll back')
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

/** A connection there is only taken for a transaction. */
class ServiceConnection implements DatabaseConnection {
  readonly #service: Calls<ServiceSide>
  #transaction: TransactionNumber = 0

  constructor(service: Calls<ServiceSide>) {
    this.#service = service
  }

  async begin(): Promise<void> {
    this.#transaction = await this.#service.call('begin')
  }

  async end(how: 'commit' | 'roll back'): Promise<void> {
    const transaction = this.#transaction
    this.#transaction = 0
    await this.#service.call('end', transaction, how)
  }

  executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    // Of a part of a buffer, all of it would be copied.
    const given = parameters.map((parameter) => (parameter instanceof Uint8Array ? alone(parameter) : parameter))
    return this.#service.call('query', this.#transaction, sql, given) as Promise<QueryResult<Row>>
  }

  // oxlint-disable-next-line require-yield
  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('nothing is streamed from the service')
  }
}
