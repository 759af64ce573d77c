import { VantageError } from '../schema/errors.ts'

/**
 * Explains the error of an Apache AGE that lost its cache of labels; returns any other error
 * unchanged.
 *
 * AGE before 1.7 breaks this cache on a connection that has used more than 41 labels (ten graphs),
 * when the server next invalidates its caches, as it does when graphs are created or dropped
 * elsewhere (apache/age#2245). Only the connection is lost.
 */
export function explainAgeCache(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.includes('cache corrupted')) return error
  return new VantageError(
    `Apache AGE lost track of its labels on this connection (${error.message}), a bug of AGE before 1.7: nothing was written; close the connection and repeat, or upgrade AGE. A pool whose connections are replaced now and then (pg: maxUses) does not have this problem`,
    { cause: error },
  )
}
