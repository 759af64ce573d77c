import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { debianRoot } from './debianRoot.ts'

const run = promisify(execFile)

/** PostgreSQL's own programs for dumping and restoring. */
export interface DumpTools {
  /**
   * Dumps the database at `from`, and restores that into the database at `to`; the options are each
   * program's own.
   */
  copy(from: string, to: string, options?: { dump?: string[]; restore?: string[] }): Promise<void>
}

/**
 * The programs of the Debian root, else of this machine; null where neither has those of PostgreSQL
 * 17.
 */
export async function dumpTools(): Promise<DumpTools | null> {
  const root = await debianRoot()
  const binaries = '/usr/lib/postgresql/17/bin'
  const [before, folder]: [string[], string] = root.available ? [['chroot', root.path], `${binaries}/`] : [[], '']
  const tool = (name: string, args: string[], url: string) => {
    const [program, ...rest] = [...before, `${folder}${name}`, ...args] as [string, ...string[]]
    const { hostname, port, username, password, pathname } = new URL(url)
    return run(program, rest, {
      env: {
        PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${binaries}:${process.env.PATH}`,
        LC_ALL: 'C.UTF-8',
        PGHOST: hostname,
        PGPORT: port || '5432',
        PGUSER: decodeURIComponent(username),
        PGPASSWORD: decodeURIComponent(password),
        PGDATABASE: pathname.slice(1),
      },
      maxBuffer: 2 ** 28,
    })
  }
  const version = await tool('pg_dump', ['--version'], 'postgres://localhost/postgres').then(
    ({ stdout }) => stdout,
    () => '',
  )
  if (!/ 1[7-9]/.test(version)) return null
  return {
    copy: async (from, to, { dump = [], restore = [] } = {}) => {
      const place = await mkdtemp(join(root.available ? `${root.path}/tmp` : tmpdir(), 'pgvantage-dump-'))
      const file = `${root.available ? place.slice(root.path.length) : place}/dump`
      try {
        await tool('pg_dump', ['--format=custom', `--file=${file}`, ...dump], from)
        await tool('pg_restore', ['--exit-on-error', `--dbname=${new URL(to).pathname.slice(1)}`, ...restore, file], to)
      } finally {
        await rm(place, { recursive: true })
      }
    },
  }
}
