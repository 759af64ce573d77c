import { glob, stat } from 'node:fs/promises'
import { resolve } from 'node:path'

/** A file under one of the names that are followed. */
export interface FoundFile {
  /** The first of its names, absolute. */
  readonly path: string
  /** Device and inode: the file, whatever its name. */
  readonly inode: string
  readonly size: number
  /** When it was changed last, in milliseconds. */
  readonly changed: number
}

export const isPattern = (name: string): boolean => /[*?[\]{}]/.test(name)

/**
 * The files that there are now, by device and inode. A name is a path, or a pattern (`*`, `**`,
 * `?`, `[a-z]`, `{a,b}`); what is no regular file is left out, links are followed.
 */
export async function findFiles(names: readonly string[]): Promise<Map<string, FoundFile>> {
  const found = new Map<string, FoundFile>()
  const add = async (name: string) => {
    const path = resolve(name)
    const at = await stat(path, { bigint: true }).catch(() => undefined)
    if (at?.isFile() !== true) return
    const inode = inodeOf(at)
    if (!found.has(inode)) found.set(inode, { path, inode, size: Number(at.size), changed: Number(at.mtimeMs) })
  }
  for (const name of names) {
    await add(name)
    if (!isPattern(name)) continue
    const paths: string[] = []
    for await (const path of glob(name)) paths.push(path)
    for (const path of paths.sort()) await add(path)
  }
  return found
}

export const inodeOf = ({ dev, ino }: { dev: bigint; ino: bigint }): string => `${dev}:${ino}`
