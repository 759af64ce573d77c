import { createRequire } from 'node:module'

/**
 * Why this version of Node.js cannot run us; undefined where it can. npm only warns, and what
 * follows without this is a syntax error about something that a later Node.js has.
 *
 * @param running as `process.versions.node` has it.
 */
export function nodeProblem(running: string): string | undefined {
  const { engines } = createRequire(import.meta.url)('pgvantage/package.json') as { engines: { node: string } }
  const needed = engines.node.replace('>=', '')
  const [[major = 0, minor = 0], [neededMajor = 0, neededMinor = 0]] = [numbers(running), numbers(needed)]
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined
  return `pgvantage needs Node.js ${needed} or newer, and this is ${running}: install a newer one (https://nodejs.org)`
}

const numbers = (version: string): number[] => version.split('.').map(Number)
