#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { endQuietly } from './brokenPipe.ts'
import { exitCode } from './exitCode.ts'
import { run } from './run.ts'

// A long load makes much garbage, which V8 otherwise lets lie about: docs/ingest.md has the peaks
// with and without.
setFlagsFromString('--optimize-for-size')

let unwritten: Error | undefined
endQuietly([process.stdout, process.stderr], (error) => {
  if (unwritten === undefined) process.stderr.write(`error: the output could not be written: ${error.message}\n`)
  unwritten = error
  process.exitCode = exitCode.failed
})

const code = await run(process.argv.slice(2))
process.exitCode = unwritten === undefined ? code : exitCode.failed
