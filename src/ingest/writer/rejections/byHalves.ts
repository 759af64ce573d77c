import type { Scope } from '../../../database/scope.ts'
import { behindSavepoint } from '../../../database/transaction/behindSavepoint.ts'
import { isAboutRow } from './rejections.ts'

/**
 * Writes rows.
 *
 * @param write writes rows, and returns how many of them it changed.
 * @param refuse called for each row that the database refuses.
 * @returns how many rows were changed.
 */
export type WriteRows = <Row>(
  rows: readonly Row[],
  write: (rows: readonly Row[]) => Promise<number>,
  refuse: (row: Row, error: Error) => void,
) => Promise<number>

/** All of them, or it fails. */
export const together: WriteRows = async (rows, write) => (rows.length === 0 ? 0 : write(rows))

/**
 * Without those that the database refuses: rows that cannot be written together are written by
 * halves, behind a savepoint each, in their order.
 */
export const byHalves =
  (scope: Scope): WriteRows =>
  async (rows, write, refuse) => {
    const writeSome = async (some: typeof rows): Promise<number> => {
      try {
        return await behindSavepoint(scope.db, () => write(some))
      } catch (error) {
        if (!isAboutRow(error)) throw error
        if (some.length === 1) {
          refuse(some[0]!, error)
          return 0
        }
        const middle = some.length >> 1
        const first = await writeSome(some.slice(0, middle))
        return first + (await writeSome(some.slice(middle)))
      }
    }
    return rows.length === 0 ? 0 : writeSome(rows)
  }
