#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { endQuietly } from './brokenPipe.ts'
import { exitCode } from './exitCode.ts'
import { nodeProblem } from './nodeVersion.ts'

// A load makes much garbage, for which V8 would take 128 MB more: docs/ingest.md has the peaks with
// and without.
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
