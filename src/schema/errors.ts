import { inFunctions, type Remedy } from './remedy.ts'

export interface ErrorDetails {
  cause?: unknown
  remedy?: Remedy
}

/**
 * The errors pgvantage throws. All extend `VantageError`, so
 * `catch (error) { if (error instanceof VantageError) ... }` tells ours from the driver's; the
 * driver's own error, where there is one, is the `cause`. A message says what happened, to what,
 * and what to do.
 */
export class VantageError extends Error {
  /** Stable, for programs: the class name survives minification here. */
  readonly code: string
  /** What happened, without the remedy that the message ends with. */
  readonly problem: string
  /** What to do about it, for a program that says it in its own words. */
  readonly remedy: Remedy | undefined

  constructor(problem: string, { code, cause, remedy }: ErrorDetails & { code?: string } = {}) {
    super(remedy === undefined ? problem : `${problem}: ${inFunctions(remedy)}`, cause === undefined ? undefined : { cause })
    this.code = code ?? 'VANTAGE'
    this.problem = problem
    this.remedy = remedy
    this.name = new.target.name
  }
}

/**
 * The server lacks an extension or a feature; the message says which, why it is needed and how to
 * get it.
 */
export class MissingCapabilityError extends VantageError {
  constructor(problem: string, options: ErrorDetails = {}) {
    super(problem, { ...options, code: 'MISSING_CAPABILITY' })
  }
}

/**
 * A value from outside was refused before anything was written; the message names the field and the
 * value.
 */
export class InvalidInputError extends VantageError {
  /** Where the value stood, as a path: `range.from`, `resources[3].urn`. */
  readonly field: string

  constructor(field: string, problem: string, options: ErrorDetails = {}) {
    super(`${field}: ${problem}`, { ...options, code: 'INVALID_INPUT' })
    this.field = field
  }
}

/**
 * Something named by the caller (a tenant, an event, a resource) does not exist for this tenant.
 */
export class NotFoundError extends VantageError {
  constructor(problem: string, options: ErrorDetails = {}) {
    super(problem, { ...options, code: 'NOT_FOUND' })
  }
}

/**
 * The database's schema is not the one this version of the library works with: not installed, too
 * old or newer.
 */
export class SchemaVersionError extends VantageError {
  constructor(problem: string, options: ErrorDetails = {}) {
    super(problem, { ...options, code: 'SCHEMA_VERSION' })
  }
}
