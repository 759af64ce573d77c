import { VantageError } from '../schema/errors.ts'

/**
 * What to say where Apache AGE lost track of its own labels; any other error as it was.
 *
 * Before 1.7 a connection that has met more than 41 labels (ten graphs) breaks its cache of them
 * the next time the server tells it to forget what it cached, which creating and dropping graphs
 * elsewhere makes it do (apache/age#2245). Nothing is lost but the connection.
 */
export function explainAgeCache(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.includes('cache corrupted')) return error
  return new VantageError(
    `Apache AGE lost track of its labels on this connection (${error.message}), a fault of AGE before 1.7: nothing was written; close the connection and repeat, or upgrade AGE. A pool whose connections are replaced now and then (pg: maxUses) does not meet it`,
    { cause: error },
  )
}
