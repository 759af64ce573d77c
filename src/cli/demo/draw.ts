import type { Scope } from '../../database/scope.ts'
import type { Investigation } from './investigate.ts'

/** The pictures of an investigation, by file name. */
export async function draw(_scope: Scope, _found: Investigation): Promise<Record<string, string>> {
  return {}
}
