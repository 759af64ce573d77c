import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { findFiles, isPattern } from './findFiles.ts'

/** A name under which there is no file. */
export interface AbsentName {
  /** A path, absolute, or the pattern as it was given. */
  readonly name: string
  /** Why, for people. */
  readonly reason: string
}

/** The names under which there is no file now: a wrong one would wait for ever, and say nothing. */
export async function absentNames(names: readonly string[]): Promise<AbsentName[]> {
  const absent: AbsentName[] = []
  for (const name of names) {
    if ((await findFiles([name])).size > 0) continue
    if (isPattern(name)) absent.push({ name, reason: 'no file has such a name yet, or its folder cannot be read; one that comes is read' })
    else absent.push({ name: resolve(name), reason: await reasonOf(resolve(name)) })
  }
  return absent
}

async function reasonOf(path: string): Promise<string> {
  try {
    const at = await stat(path)
    return at.isDirectory() ? "is a folder: name its files, such as 'folder/*.log'" : 'is no regular file'
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'there is no such file yet; it is read when it comes'
    return error instanceof Error ? error.message : String(error)
  }
}
