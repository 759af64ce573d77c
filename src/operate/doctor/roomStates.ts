import type { Capabilities } from '../../database/capabilities.ts'
import type { Ability } from '../../database/checks/check.ts'
import type { Installation } from '../../database/installation/installation.ts'
import { graphAbility } from '../../graph/ageCheck.ts'
import { knowledgeAbility } from '../../knowledge/vectorIndex/pgvectorCheck.ts'
import { lifecycleAbility, timeTableAbility } from '../../lifecycle/timescaleCheck.ts'

/** What one part of the library can do. */
export interface RoomState extends Ability {
  room: string
}

const tables: Ability = { state: 'full', reason: 'tables' }

const notInstalled: Ability = { state: 'missing', reason: 'pgvantage is not installed in this database' }

const closed: Ability = { state: 'missing', reason: 'this role may not read the tables' }

/**
 * What each part of the library can do on this server; `hidden` says that there is an installation
 * that cannot be read.
 */
export function roomStates(server: Capabilities, installation: Installation | null, hidden: boolean): RoomState[] {
  const { timeRung } = installation ?? { timeRung: 'native' as const }
  const abilities: Record<string, Ability> = {
    metrics: timeTableAbility(timeRung),
    calls: timeTableAbility(timeRung),
    logs: timeTableAbility(timeRung),
    topology: tables,
    events: tables,
    knowledge: knowledgeAbility(server),
    graph: graphAbility(server),
    lifecycle: lifecycleAbility(timeRung),
  }
  return Object.entries(abilities).map(([room, ability]) => ({
    room,
    ...(installation !== null ? ability : hidden ? closed : notInstalled),
  }))
}
