import { describeHolders, type OnWait } from '../database/transaction/takeTurn.ts'
import type { Surroundings } from './surroundings.ts'

/** Says for whom a command waits. */
export const waiting =
  ({ err }: Pick<Surroundings, 'err'>): OnWait =>
  (holders) =>
    err(`waiting for ${describeHolders(holders)}\n`)
