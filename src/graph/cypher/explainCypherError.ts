import { explainAgeCache } from '../../database/explainAgeCache.ts'
import { InvalidInputError, MissingCapabilityError, NotFoundError, VantageError } from '../../schema/errors.ts'

/**
 * Explains the error of a query with `cypher` in it: one of pgvantage's errors with the driver's
 * error as its cause. Any other error is returned as it is.
 *
 * | result | cause |
 * |---|---|
 * | InvalidInputError | AGE did not understand the text, or its columns differ from the declared ones |
 * | MissingCapabilityError | the text needs a newer AGE |
 * | NotFoundError | the tenant has no graph yet |
 * | VantageError | AGE lost track of its labels |
 *
 * @example
 * const rows = await busy.execute().catch((error) => {
 *   throw explainCypherError(error)
 * })
 */
export function explainCypherError(error: unknown): unknown {
  if (error instanceof VantageError || !(error instanceof Error)) return error
  const code = 'code' in error ? error.code : undefined
  if (code === '0A000' && error.message.startsWith('Apache AGE')) return new MissingCapabilityError(error.message, { cause: error })
  if (code === '3F000' && error.message.startsWith('graph ')) return new NotFoundError(error.message, { cause: error })
  if (error.message.startsWith('Apache AGE') || (code === '42804' && /^(?:a column is declared|the text returns)/.test(error.message))) {
    return new InvalidInputError('text', error.message, { cause: error })
  }
  return explainAgeCache(error)
}
