import { compareBytes } from '../../schema/compareBytes.ts'

/** The order of ids, which are whole numbers as texts. */
export const byId = (a: string, b: string): number => a.length - b.length || compareBytes(a, b)
