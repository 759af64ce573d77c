// `openEmbedded` has an entry of its own, pgvantage/embedded: it needs PGlite, which is optional.
export type { CamelCased } from './camelCased.ts'
export { capabilities, type Capabilities, type ExtensionState, type KnownExtension } from './capabilities.ts'
export { connect } from './connection/connect.ts'
export type { AnyKysely } from './connection/plainKysely.ts'
export { schemaVersion, type EmbeddingDistance, type EmbeddingType, type Installation, type TimeRung } from './installation/installation.ts'
export { last, type TimeRange } from './range.ts'
export { isUnknownResource } from './sqlState.ts'
export { tenantScope, type Scope } from './scope.ts'
