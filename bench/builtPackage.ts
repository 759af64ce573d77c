import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const repository = fileURLToPath(new URL('..', import.meta.url))

/**
 * The package as its users have it: to run it from its sources takes more memory, and time to
 * start.
 */
export interface BuiltPackage {
  folder: string
  /** The path of a program of this folder, ready to run. */
  program(name: string): Promise<string>
  remove(): Promise<void>
}

export async function buildPackage(): Promise<BuiltPackage> {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-built-'))
  const compiler = join(repository, 'node_modules', '.bin', 'tsc')
  await promisify(execFile)(compiler, ['-p', join(repository, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')])
  await cp(join(repository, 'sql'), join(folder, 'dist', 'sql'), { recursive: true })
  await cp(join(repository, 'package.json'), join(folder, 'package.json'))
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
  return {
    folder,
    async program(name) {
      const path = join(folder, `${name}.mjs`)
      await writeFile(path, stripTypeScriptTypes(await readFile(new URL(`./${name}.ts`, import.meta.url), 'utf8')))
      return path
    },
    remove: () => rm(folder, { recursive: true }),
  }
}
