export { InvalidInputError, MissingCapabilityError, NotFoundError, SchemaVersionError, VantageError } from './errors.ts'
export { severities, type Severity } from './severity.ts'
export type { DB } from './tables.ts'
export type { Json } from './text.ts'
