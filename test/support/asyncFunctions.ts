import type * as api from '../../src/index.ts'

/**
 * The names of everything exported that answers with a promise: a test that has a record of them is
 * refused by the compiler when one is missing.
 */
export type AsyncFunction = {
  [Name in keyof typeof api]: (typeof api)[Name] extends (...args: never) => Promise<unknown> ? Name : never
}[keyof typeof api]
