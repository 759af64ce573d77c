import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const execute = promisify(execFile)

/** The optional peer dependencies: whoever has not installed them must be able to import everything that does not need them. */
const optional = ['@electric-sql/pglite', '@electric-sql/pglite-age', '@electric-sql/pglite-pgvector', '@viz-js/viz', 'echarts']

/** The packages that a module of ours loads, itself or through what it imports, asked in a process of its own. */
async function loaded(module: string): Promise<string[]> {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = new Set()
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context)
        const name = /node_modules\\/((?:@[^/]+\\/)?[^/]+)\\/(?!.*node_modules\\/)/.exec(found.url)?.[1]
        if (name !== undefined) loaded.add(name)
        return found
      },
    })
    await import(${JSON.stringify(new URL(`../../src/${module}`, import.meta.url).href)})
    console.log(JSON.stringify([...loaded]))
  `
  const { stdout } = await execute(process.execPath, ['--input-type=module', '--eval', script])
  return JSON.parse(stdout) as string[]
}

describe('the package', () => {
  it.each(['index.ts', 'database/index.ts', 'operate/index.ts', 'ingest/index.ts', 'cli/program.ts'])(
    'loads nothing optional with %s',
    async (module) => {
      const packages = await loaded(module)
      expect(packages).toContain('kysely')
      expect(packages.filter((name) => optional.includes(name))).toEqual([])
    },
    30_000,
  )

  it('says in one sentence what its demo needs, where that is not installed', async () => {
    const absent = `import { registerHooks } from 'node:module'
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier.startsWith('@electric-sql/')) throw Object.assign(new Error('absent'), { code: 'ERR_MODULE_NOT_FOUND' })
          return next(specifier, context)
        },
      })`
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
    await expect(
      execute(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(absent)}`, main, 'demo', main]),
    ).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: pgvantage demo needs .*: run `npm install @electric-sql\/pglite@\S+ .*echarts@\S+`\n$/),
    })
  }, 30_000)

  it('would notice', async () => {
    expect(await loaded('database/connection/embedded.ts')).toContain('@electric-sql/pglite')
  }, 30_000)
})
