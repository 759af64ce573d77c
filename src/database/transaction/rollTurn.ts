import { qualified, type Installation } from '../installation/installation.ts'

/** The name of the lock for rolling up a rollup, or deleting its rolled-up rows. */
export const rollTurn = (installation: Pick<Installation, 'schema'>, name: string): string =>
  `pgvantage roll ${qualified(installation, name)}`
