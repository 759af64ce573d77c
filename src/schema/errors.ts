import { inFunctions, type Remedy } from './remedy.ts'

export interface ErrorDetails {
  cause?: unknown
  remedy?: Remedy
}

/**
 * The base of all errors that pgvantage throws: `error instanceof VantageError` distinguishes them
 * from the driver's. The `cause` is the driver's error, if there was one. A message says what
 * happened, to what, and what to do.
 */
export class VantageError extends Error {
  /** Stable, for programs: minification changes the class name, but not this. */
  readonly code: string
  /** What happened, without the remedy at the end of the message. */
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
 * An input value was refused before anything was written; the message names the field and the
 * value.
 */
export class InvalidInputError extends VantageError {
  /** The path of the value: `range.from`, `resources[3].urn`. */
  readonly field: string

  constructor(field: string, problem: string, options: ErrorDetails = {}) {
    super(`${field}: ${problem}`, { ...options, code: 'INVALID_INPUT' })
    this.field = field
  }
}

/**
 * Something that the caller named (a tenant, an event, a resource) does not exist for this tenant.
 */
export class NotFoundError extends VantageError {
  constructor(problem: string, options: ErrorDetails = {}) {
    super(problem, { ...options, code: 'NOT_FOUND' })
  }
}

/**
 * The database's schema is not the one this version of the library works with: not installed, too
 * old or too new.
 */
export class SchemaVersionError extends VantageError {
  constructor(problem: string, options: ErrorDetails = {}) {
    super(problem, { ...options, code: 'SCHEMA_VERSION' })
  }
}
