import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))

/** The exit code of a command whose standard output is taken by `stdout`, and what it said of it. */
async function ended(args: readonly string[], stdout: 'closed' | number) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', stdout === 'closed' ? 'pipe' : stdout, 'pipe'], env: {} })
  // Whoever was to read is gone before anything is written.
  child.stdout?.destroy()
  let err = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (err += text))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { code, signal, err }
}

describe('the command, whose output nobody reads to its end', () => {
  it('ends quietly, with the exit code it would have had', async () => {
    expect(await ended(['--help'], 'closed')).toEqual({ code: 0, signal: null, err: '' })
    expect(await ended(['tenants', '--json'], 'closed')).toEqual({ code: 2, signal: null, err: '' })
  })

  it.runIf(existsSync('/dev/full'))('fails where the disk is full', async () => {
    expect(await ended(['--help'], openSync('/dev/full', 'w'))).toEqual({
      code: 1,
      signal: null,
      err: expect.stringMatching(/^error: the output could not be written: ENOSPC.*\n$/),
    })
  })
})
