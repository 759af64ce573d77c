import { isAboutRows, sqlStateOf } from '../../../database/sqlState.ts'
import { InvalidInputError } from '../../../schema/errors.ts'
import { pathText } from '../../../schema/parse.ts'
import type { Flaw } from '../../../schema/text.ts'
import type { IngestWindow } from '../../rollups/windows/ingestWindow.ts'

/** Counts of a window's rows. */
export interface RowCounts {
  metrics: number
  calls: number
  patterns: number
  sketches: number
}

/** The lists of a window whose entries are stored. */
export type WindowList = 'resources' | 'locators' | keyof RowCounts

/** Why rows were rejected. */
export interface Rejection {
  list: WindowList
  /** The field that is wrong; null if the database refused the row as a whole. */
  field: string | null
  /** In one sentence. If the database refused the row, what it said. */
  reason: string
  /** How many rows were rejected for it. */
  rows: number
  /** Where the first of them is: `metrics[17].labels.host`. */
  example: string
}

/** How many reasons a report has; rows that were rejected for others are only counted. */
const mostReasons = 20

/** How many rows of a window the database may refuse: more of them are no matter of single rows. */
const mostRefusals = 50

export const noRows = (): RowCounts => ({ metrics: 0, calls: 0, patterns: 0, sketches: 0 })

export const noRejections = (): Record<WindowList, number> => ({ resources: 0, locators: 0, ...noRows() })

/** The rows of a window that are not written, and why. */
export class Rejections {
  readonly rejected = noRejections()
  readonly reasons: Rejection[] = []
  readonly #window: IngestWindow
  readonly #allowed: boolean
  #refusals = 0

  /** @param allowed else the first one is thrown. */
  constructor(window: IngestWindow, { allowed }: { allowed: boolean }) {
    this.#window = window
    this.#allowed = allowed
  }

  /**
   * A row with a field that cannot be stored.
   *
   * @throws InvalidInputError naming it, if none may be left out.
   */
  add(list: WindowList, row: unknown, { path, message }: Flaw): void {
    const [field] = path
    // Rows are looked for by what they are: they may have been sorted since.
    const example = () => pathText(`${list}[${(this.#window[list] as unknown[]).indexOf(row)}]`, path)
    if (!this.#allowed) throw new InvalidInputError(example(), message)
    this.rejected[list] += 1
    addReason(this.reasons, { list, field: field === undefined ? null : String(field), reason: message, rows: 1 }, example)
  }

  /**
   * A row that the database refuses; of patterns, all lines that it was made of.
   *
   * @throws the database's error if it refuses more than fifty rows.
   */
  refuse(list: WindowList, rows: readonly unknown[], error: Error): void {
    this.#refusals += 1
    if (this.#refusals > mostRefusals) throw error
    for (const row of rows) this.add(list, row, { path: [], message: error.message })
  }
}

/** Adds a reason to others. */
export function addReason(reasons: Rejection[], reason: Omit<Rejection, 'example'>, example: () => string): void {
  const known = reasons.find((one) => one.list === reason.list && one.field === reason.field && one.reason === reason.reason)
  if (known !== undefined) known.rows += reason.rows
  else if (reasons.length < mostReasons) reasons.push({ ...reason, example: example() })
}

/**
 * Whether the database refuses a row for what is in it: a value, a constraint, a trigger. A table
 * without a partition for the row is not the row's fault.
 */
export function isAboutRow(error: unknown): error is Error {
  return isAboutRows(error) && (sqlStateOf(error) !== checkViolation || Boolean((error as { constraint?: string }).constraint))
}

const checkViolation = '23514'
