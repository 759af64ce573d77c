import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chown, mkdir, open, rm, rmdir, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { sql, type Kysely } from 'kysely'
import { debianRoot } from './server/debianRoot.ts'

const run = promisify(execFile)

/** A tablespace on a file system of its own. */
export interface SmallDisk {
  tablespace: string
  /** Lets this much be free, and no more. */
  leave(bytes: number): Promise<void>
  /** Lets all be free that the server does not use. */
  free(): Promise<void>
  /** Removes it; what was in the tablespace must be gone. */
  stop(): Promise<void>
}

/**
 * Makes a small disk for a server that runs in the Debian root. Or says why not: the server is
 * another one, or nothing may be mounted here.
 */
export async function smallDisk(db: Kysely<{}>, megabytes: number): Promise<SmallDisk | { missing: string }> {
  const root = await debianRoot()
  if (!root.available) return { missing: root.reason }
  const { rows } = await sql<{ data: string }>`select current_setting('data_directory') as data`.execute(db)
  const data = rows[0]!.data
  const owner = await stat(join(root.path, data)).catch(() => null)
  if (owner === null) return { missing: 'the server does not run in the Debian root' }
  const location = join(dirname(data), `small-${randomUUID()}`)
  const folder = join(root.path, location)
  await mkdir(folder)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'tmpfs', folder])
  } catch (error) {
    await rmdir(folder)
    return { missing: `no file system can be mounted: ${error instanceof Error ? error.message : String(error)}` }
  }
  await chown(folder, owner.uid, owner.gid)
  const tablespace = `small_${randomUUID().replaceAll('-', '')}`
  const ballast = join(folder, 'ballast')
  const unmount = async () => {
    await run('umount', [folder])
    await rmdir(folder)
  }
  try {
    await sql`create tablespace ${sql.id(tablespace)} location ${sql.lit(location)}`.execute(db)
  } catch (error) {
    await unmount()
    throw error
  }
  return {
    tablespace,
    leave: async (bytes) => {
      await rm(ballast, { force: true })
      const { bavail, bsize } = await statfs(folder)
      const file = await open(ballast, 'w')
      const chunk = Buffer.alloc(64 * 1024)
      for (let left = bavail * bsize - bytes; left > 0; left -= chunk.length) await file.write(chunk, 0, Math.min(chunk.length, left))
      await file.close()
    },
    free: () => rm(ballast, { force: true }),
    stop: async () => {
      await rm(ballast, { force: true })
      await sql`drop tablespace ${sql.id(tablespace)}`.execute(db)
      await unmount()
    },
  }
}
