#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { run } from './run.ts'

// A long load makes much garbage, which V8 otherwise lets lie about: docs/ingest.md has the peaks
// with and without.
setFlagsFromString('--optimize-for-size')

process.exitCode = await run(process.argv.slice(2))
