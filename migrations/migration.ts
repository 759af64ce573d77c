import type { Installation } from '../src/database/installation/installation.ts'

/** One step in the life of the schema. `up` and `down` give the statements, in order; each is one statement, run in one transaction with its record. */
export interface Migration {
  /** `0003_rollups`: the number orders it and is the schema version it leads to. */
  readonly name: string
  up(installation: Installation): string[]
  down(installation: Installation): string[]
}
