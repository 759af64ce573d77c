import { Readable } from 'node:stream'
import { run } from '../../../src/cli/run.ts'

/** What a command printed, and how it ended. */
export interface Ended {
  code: number
  out: string
  err: string
}

/** The command as run on a database, with nothing else in its environment. */
export async function pgvantage(url: string, ...args: string[]): Promise<Ended> {
  let out = ''
  let err = ''
  const code = await run(args, {
    env: { DATABASE_URL: url },
    input: Readable.from([]),
    out: (text) => (out += text),
    err: (text) => (err += text),
    interactive: false,
    columns: 100,
  })
  return { code, out, err }
}

/** A connection string with another login, database or option. */
export function urlOf(
  url: string,
  { user, password, database, options }: { user?: string; password?: string; database?: string; options?: string },
) {
  const changed = new URL(url)
  if (user !== undefined) changed.username = user
  if (password !== undefined) changed.password = password
  if (database !== undefined) changed.pathname = `/${database}`
  if (options !== undefined) changed.searchParams.set('options', options)
  return changed.href
}
