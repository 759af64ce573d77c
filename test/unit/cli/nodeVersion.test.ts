import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { nodeProblem } from '../../../src/cli/nodeVersion.ts'

describe('the version of Node.js', () => {
  it.each(['22.15.0', '22.22.1', '24.0.0', '100.1.0'])('%s will do', (version) => expect(nodeProblem(version)).toBeUndefined())

  it.each(['22.14.9', '20.20.2', '9.99.0'])('%s is refused in one sentence', (version) =>
    expect(nodeProblem(version)).toBe(
      `pgvantage needs Node.js 22.15 or newer, and this is ${version}: install a newer one (https://nodejs.org)`,
    ),
  )

  it('is looked at before anything is loaded that an older one cannot link', async () => {
    const main = await readFile('src/cli/main.ts', 'utf8')
    const imported = [...main.matchAll(/^import .* from '(\..*)'$/gm)].map(([, path]) => path)
    expect(imported).toEqual(['./brokenPipe.ts', './exitCode.ts', './nodeVersion.ts'])
  })
})
