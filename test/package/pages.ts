import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A block of code in a page. */
interface Block {
  language: string
  code: string
  /** Where it begins, as an editor opens it. */
  place: string
}

/**
 * The blocks of a page that a reader is to run. A block that cannot be run here has a line before
 * it that says why: `<!-- not run: it needs a copy of the repository -->`.
 */
export function blocksOf(page: string, text: string): Block[] {
  const blocks: Block[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const language = /^```(\w*)$/.exec(lines[at]!)?.[1]
    if (language === undefined) continue
    const end = lines.indexOf('```', at + 1)
    if (end === -1) throw new Error(`${page}:${at + 1}: the block of code does not end`)
    if (!/^<!-- not run: \S.* -->$/.test(lines[at - 1] ?? ''))
      blocks.push({ language, code: lines.slice(at + 1, end).join('\n'), place: `${page}:${at + 1}` })
    at = end
  }
  return blocks
}

const namedProgram = /^\/\/ ([\w-]+\.ts)\n/

/**
 * A shell script that does what the page tells its reader to: runs its commands in the order of the
 * page, with its programs beside them, and what its crontab would run, once.
 */
export function scriptOf(blocks: readonly Block[]): { script: string; programs: Map<string, string> } {
  const programs = new Map<string, string>()
  const commands: string[] = []
  for (const { language, code, place } of blocks) {
    const said = (command: string) => commands.push(`echo '## ${place}'`, command)
    if (language === 'sh') said(code.replaceAll(/&$/gm, '&\nuntil (echo >/dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.2; done'))
    else if (language === 'crontab')
      for (const line of code.split('\n').filter((line) => /^[*\d]/.test(line))) said(line.split(' ').slice(5).join(' '))
    else if (language === 'ts') {
      const name = namedProgram.exec(code)?.[1]
      if (name === undefined) throw new Error(`${place}: begin the program with its name (// NAME.ts), or say <!-- not run: why -->`)
      programs.set(name, `${code}\n`)
    }
  }
  const script = commands.join('\n')
  for (const name of programs.keys()) if (!script.includes(`node ${name}`)) throw new Error(`nothing on the page runs ${name}`)
  return { script, programs }
}

export interface ReaderOptions {
  /** The pages to follow, one after the other. */
  pages: readonly string[]
  /** The packed package, installed where the page installs pgvantage. */
  tarball: string
  /** What lies in the reader's folder before, by its name. */
  files: Readonly<Record<string, string>>
  /** Folders whose files are copied there. */
  copied?: readonly string[]
  /** What has to be in the output. */
  prints: readonly RegExp[]
}

/**
 * Follows pages as a reader would, in an empty folder, and returns what was printed.
 *
 * @throws Error with what was printed, if a command fails, or something that should be is not
 * printed.
 */
export async function follow({ pages, tarball, files, copied = [], prints }: ReaderOptions): Promise<string> {
  const blocks = (await Promise.all(pages.map(async (page) => blocksOf(page, await readFile(page, 'utf8'))))).flat()
  const { script, programs } = scriptOf(blocks)
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-reader-'))
  try {
    for (const [name, text] of [...Object.entries(files), ...programs]) {
      await mkdir(join(folder, name, '..'), { recursive: true })
      await writeFile(join(folder, name), text)
    }
    for (const from of copied) await cp(from, folder, { recursive: true })
    const port = await freePort()
    const adapted = script
      .replaceAll('/srv/observe', folder)
      .replaceAll('postgres://...', 'postgres://postgres@127.0.0.1:54321/postgres')
      .replaceAll(/(?<=[:=])54321\b/g, String(port))
      .replaceAll(/(?<=npm install )pgvantage\b/g, tarball)
    const told = await shell(`${beginning}\nport=${port}\n${adapted}\n`, folder)
    for (const wanted of prints) if (!wanted.test(told)) throw new Error(`${pages.join(', ')} did not print ${wanted}:\n${told}`)
    return told
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A command of the folder's own packages is started at once: npx would take half a second to find it. */
const beginning = `
set -euo pipefail
npx() { "./node_modules/.bin/$1" "\${@:2}"; }`

/** It takes a minute where nothing else runs. Only what hangs takes so long. */
const limitMs = 900_000

async function shell(script: string, cwd: string): Promise<string> {
  const quick = { npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' }
  const env = { ...process.env, ...quick, NODE_COMPILE_CACHE: join(cwd, '.compiled'), NO_COLOR: '1' }
  // A group of its own, which ends as a whole: a server in the background outlives its shell.
  const child = spawn('bash', ['-c', script], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let told = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (told += text))
  const endAll = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // All of them have ended.
    }
  }
  const late = setTimeout(endAll, limitMs)
  const closed = once(child, 'close')
  const [code] = (await once(child, 'exit')) as [number | null]
  clearTimeout(late)
  endAll()
  // What was printed last may be read after the exit.
  await closed
  if (code !== 0) throw new Error(`${code === null ? `took more than ${limitMs / 1000} s` : `ended with ${code}`}:\n${told}`)
  return told
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  await once(server.close(), 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
