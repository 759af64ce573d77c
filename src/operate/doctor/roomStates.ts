import type { Capabilities } from '../../database/capabilities.ts'
import type { Installation } from '../../database/installation/installation.ts'

export interface RoomState {
  room: string
  /** `full`: everything works. `fallback`: the same answers, by other means. `missing`: nothing works. */
  state: 'full' | 'fallback' | 'missing'
  why: string
}

/** What each room of the library can do on this server; `installation` is undefined where our tables are not. */
export function roomStates(server: Capabilities, installation: Installation | undefined): RoomState[] {
  const has = (name: keyof Capabilities['extensions']) => server.extensions[name].installed !== null
  const time: Omit<RoomState, 'room'> =
    installation !== undefined && installation.timeRung !== 'native'
      ? { state: 'full', why: 'hypertables' }
      : { state: 'fallback', why: 'native range partitions instead of hypertables' }
  const full = (why: string): Omit<RoomState, 'room'> => ({ state: 'full', why })
  const rooms: RoomState[] = [
    { room: 'metrics', ...time },
    { room: 'calls', ...time },
    { room: 'logs', ...time },
    { room: 'topology', ...full('tables') },
    { room: 'events', ...full('tables') },
    {
      room: 'knowledge',
      ...(has('vector') ? full('pgvector with an HNSW index') : { state: 'missing', why: 'needs the extension vector' }),
    },
    { room: 'graph', ...(has('age') ? full('Apache AGE') : { state: 'fallback', why: 'no Apache AGE: traversal of tables, no Cypher' }) },
    {
      room: 'lifecycle',
      ...(installation?.timeRung === 'community'
        ? full("TimescaleDB's jobs, compression and continuous aggregates")
        : { state: 'fallback', why: 'no jobs on this server: have `pgvantage maintain` run by a scheduler, every half hour or so' }),
    },
  ]
  if (installation !== undefined) return rooms
  return rooms.map(({ room }) => ({ room, state: 'missing', why: 'pgvantage is not installed in this database' }))
}
