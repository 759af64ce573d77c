import type { TimeRung } from '../../database/installation/installation.ts'
import { storedTable, type Rollup } from '../../lifecycle/rollups/rollup.ts'
import { defaultPolicies } from '../policies/defaultPolicies.ts'

export const rollups: readonly Rollup[] = defaultPolicies.time.flatMap((policy) => policy.rollups.map(({ rollup }) => rollup))

/** The relations that a conversion replaces or drops. */
export function relations(from: TimeRung, to: TimeRung): string[] {
  const tables = from === 'native' ? defaultPolicies.time.map(({ table }) => table) : []
  const stored = from === 'native' || to === 'community' ? rollups.map(storedTable) : []
  return [...tables, ...stored, ...rollups.map(({ name }) => name)]
}
