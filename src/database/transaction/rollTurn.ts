import { qualified, type Installation } from '../installation/installation.ts'

/** What those who roll the same, or take away what is rolled, wait for each other by. */
export const rollTurn = (installation: Pick<Installation, 'schema'>, name: string): string =>
  `pgvantage roll ${qualified(installation, name)}`
