import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { blocksOf, scriptOf } from '../package/pages.ts'

/** Lines of prose that are longer than 100 columns: tables, code and pictures are not prose. */
const tooLong = (text: string) =>
  text
    .replaceAll(/^```.*?^```$/gms, '')
    .split('\n')
    .filter((line) => line.length > 100 && !/^(\s*\||!\[)/.test(line))

describe('README', () => {
  it('installs every optional package, in the versions that we name as peers', async () => {
    const { peerDependencies } = JSON.parse(await readFile('package.json', 'utf8')) as { peerDependencies: Record<string, string> }
    const [, install] = /```sh\n(npm install .*?)\nnpx pgvantage demo\n```/s.exec(await readFile('README.md', 'utf8'))!
    const named = install!.split(/[\s\\]+/)
    for (const [name, range] of Object.entries(peerDependencies)) expect(named).toContain(/^\d/.test(range) ? `${name}@${range}` : name)
  })

  it('is short enough to be read', async () => {
    expect((await readFile('README.md', 'utf8')).split('\n').length).toBeLessThan(175)
  })

  it('says which Node.js it needs', async () => {
    const { engines } = JSON.parse(await readFile('package.json', 'utf8')) as { engines: { node: string } }
    expect(await readFile('README.md', 'utf8')).toContain(`Node.js ${engines.node.replace('>=', '')} or newer`)
  })
})

it.each(['README.md', 'CHANGELOG.md', ...globSync('docs/*.md'), 'examples/recipes/README.md', 'test/README.md'])(
  '%s is wrapped at 100 columns',
  async (page) => {
    expect(tooLong(await readFile(page, 'utf8'))).toEqual([])
  },
)

describe('what a reader runs', () => {
  const page = (text: string) => scriptOf(blocksOf('page.md', text))

  it('is the commands in their order, and the programs that they run', () => {
    const { script, programs } = page('```ts\n// a.ts\nlet a\n```\nand\n```sh\nnode a.ts\n```\n```yaml\na: b\n```\n```sh\nls\n```\n')
    expect(script).toBe("echo '## page.md:6'\nnode a.ts\necho '## page.md:12'\nls")
    expect([...programs]).toEqual([['a.ts', '// a.ts\nlet a\n']])
  })

  it('is what cron would run, without the times', () => {
    expect(page('```crontab\nA=b\n*/5 * * * * cd /srv && ls\n```\n').script).toBe("echo '## page.md:1'\ncd /srv && ls")
  })

  it('leaves out what says why it is not run', () => {
    expect(page('<!-- not run: there is no cluster here -->\n```sh\nkubectl get pods\n```\n').script).toBe('')
  })

  it.each([
    ['a program without a name', '```ts\nlet a\n```\n', 'page.md:1: begin the program with its name'],
    ['a program that nothing runs', '```ts\n// a.ts\nlet a\n```\n', 'nothing on the page runs a.ts'],
    ['a block without an end', '```sh\nls\n', 'page.md:1: the block of code does not end'],
  ])('refuses %s', (_, text, message) => {
    expect(() => page(text)).toThrow(message)
  })
})
