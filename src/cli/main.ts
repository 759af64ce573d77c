#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { endQuietly } from './brokenPipe.ts'
import { exitCode } from './exitCode.ts'
import { nodeProblem } from './nodeVersion.ts'

// The memory for new objects stays as it is: what makes much garbage has a thread of its own, and
// V8 would let this one's grow to 128 MB.
setFlagsFromString('--semi-space-growth-factor=1')

let unwritten: Error | undefined
endQuietly([process.stdout, process.stderr], (error) => {
  if (unwritten === undefined) process.stderr.write(`error: the output could not be written: ${error.message}\n`)
  unwritten = error
  process.exitCode = exitCode.failed
})

const problem = nodeProblem(process.versions.node)
process.exitCode = problem === undefined ? await runCommand() : refuse(problem)

async function runCommand(): Promise<number> {
  // Loaded only now: an older Node.js fails when it links what this imports.
  const { run } = await import('./run.ts')
  const code = await run(process.argv.slice(2))
  return unwritten === undefined ? code : exitCode.failed
}

function refuse(problem: string): number {
  process.stderr.write(`error: ${problem}\n`)
  return exitCode.failed
}
