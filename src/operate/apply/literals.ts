import { quoteLiteral } from '../../database/sql/identifier.ts'

export const interval = (text: string): string => `interval ${quoteLiteral(text)}`

export const timestamp = (moment: Date): string => `timestamptz ${quoteLiteral(moment.toISOString())}`
