import { describe, expect, it } from 'vitest'
import { run } from '../../../src/cli/run.ts'

async function pgvantage(args: string[], env: Record<string, string> = {}) {
  let out = ''
  let err = ''
  const code = await run(args, { env, out: (text) => (out += text), err: (text) => (err += text), interactive: false })
  return { code, out, err }
}

describe('pgvantage', () => {
  it('prints its version and its help', async () => {
    expect(await pgvantage(['--version'])).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' })
    expect(await pgvantage(['--help'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /migrate[\s\S]*policies[\s\S]*maintain[\s\S]*doctor[\s\S]*ingest[\s\S]*graph[\s\S]*patterns[\s\S]*Exit codes: 0 done/,
      ),
      err: '',
    })
    expect(await pgvantage(['migrate', 'up', '--help'])).toMatchObject({ code: 0, out: expect.stringContaining('--embedding-distance') })
  })

  it.each([
    [['frob'], "unknown command 'frob'"],
    [['migrate', 'up', '--frob'], "unknown option '--frob'"],
    [['migrate', 'up', '--embedding-dimension', '1e3'], 'It must be a whole number'],
    [['migrate', 'up', '--embedding-distance', 'l7'], 'Allowed choices are l2, cosine, ip'],
    [['ingest', 'file'], '--tenant'],
    [['ingest', 'file', '-t', 'a', '--shift-ms', 'x'], 'It must be a whole number of milliseconds'],
    [['graph'], "required option '-r, --resource <urn>' not specified"],
    [['graph', '-r', 'a', '--at', '2026-11-22 09:30'], 'It must be a time with its zone'],
    [['graph', '-r', 'a', '--hops', '1e1'], 'It must be a whole number'],
    [['graph', '-r', 'a', '--topology', '--window', '1 day'], "'--topology [relation]' cannot be used with option '--window <interval>'"],
    [['graph', '-r', 'a', '--format', 'png'], 'Allowed choices are svg, dot, mermaid, graphml, json'],
    [['policies', 'frob'], "unknown command 'frob'"],
    [['policies', 'apply', '--frob'], "unknown option '--frob'"],
    [['maintain'], 'say which database'],
    [['doctor'], 'say which database'],
    [['doctor', '--database', 'mysql://me:secret@host/db'], '--database: is not a connection string'],
    [['migrate', 'down'], 'say --yes'],
    [['tenant'], "unknown command 'tenant'\n(Did you mean tenants?)"],
    [['migrate', 'upp'], "unknown command 'upp'\n(Did you mean up?)"],
    [['doctor', '--jsno'], "unknown option '--jsno'\n(Did you mean --json?)"],
    [['doctor', 'now'], "too many arguments for 'doctor'. Expected 0 arguments but got 1"],
    [['tenants', 'all'], 'too many arguments'],
    [['migrate', 'up', 'all'], 'too many arguments'],
    [['demo', 'a', 'b'], 'too many arguments'],
    [['demo', 'a', '--jsn'], "unknown option '--jsn'\n(Did you mean --json?)"],
    [['demo', '/none'], 'recording: /none cannot be read'],
    [['resources', '--limit', 'few'], 'It must be a whole number'],
    [['patterns'], 'say which database'],
    [['patterns', '--new', '--vanished'], "'--new' cannot be used with option '--vanished'"],
    [['patterns', '--bursting', '--vanished'], "'--bursting' cannot be used with option '--vanished'"],
    [['patterns', '--new', '--baseline-to', '2026-11-22T09:30:00Z'], "'--new' cannot be used with option '--baseline-to <time>'"],
    [
      ['patterns', '--new', '--last', '1 hour', '--from', '2026-11-22T09:30:00Z'],
      "'--last <interval>' cannot be used with option '--from <time>'",
    ],
    [['patterns', '--new', '--to', 'today'], 'It must be a time with its zone'],
    [['patterns', '--new', '--limit', 'all'], 'It must be a whole number'],
    [['patterns', '--new', '--service', ''], '--service: must not be empty'],
    [['patterns', 'new'], 'too many arguments'],
    [['refresh-graph', '--now', 'today'], 'It must be a time with its zone'],
    [['migrate'], 'Usage: pgvantage migrate'],
    [[], 'Usage: pgvantage'],
  ])('ends %j with 2 and a reason', async (args, reason) => {
    const { code, out, err } = await pgvantage(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(reason)
    expect(err).not.toContain('secret')
    expect(err).not.toMatch(/^\s+at /m)
  })

  it('says what failed in one line, and where with --verbose', async () => {
    const nowhere = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }
    expect(await pgvantage(['doctor'], nowhere)).toEqual({
      code: 1,
      out: '',
      err: 'error: connect ECONNREFUSED 127.0.0.1:1: is a server running there? If so, check host and port in the connection string\n',
    })
    expect((await pgvantage(['doctor', '--verbose'], nowhere)).err).toMatch(/^\s+at /m)
  })

  it('has --json for every command', async () => {
    const commands = (help: string) => [...help.slice(help.indexOf('Commands:')).matchAll(/^  ([a-z-]+)/gm)].map(([, name]) => name!)
    const every: string[][] = []
    for (const name of commands((await pgvantage(['--help'])).out)) {
      const { out } = await pgvantage([name, '--help'])
      const inner = out.includes('Commands:') ? commands(out) : []
      every.push(...(inner.length === 0 ? [[name]] : inner.map((last) => [name, last])))
    }
    expect(every.length).toBeGreaterThan(12)
    const without: string[][] = []
    for (const command of every) {
      if (command.at(-1) !== 'help' && !(await pgvantage([...command, '--help'])).out.includes('--json')) without.push(command)
    }
    expect(without).toEqual([])
  })

  it('keeps stdout one JSON document after a failure', async () => {
    const { code, out, err } = await pgvantage(['migrate', 'up', '--json'], { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' })
    expect({ code, err }).toEqual({ code: 1, err: '' })
    expect(JSON.parse(out)).toMatchObject({
      error: { code: 'ECONNREFUSED', message: expect.stringContaining('is a server running there?') },
    })
    expect(JSON.parse((await pgvantage(['migrate', 'up', '--json', '--frob'])).out)).toEqual({
      error: { code: 'USAGE', message: "unknown option '--frob'" },
    })
    expect(JSON.parse((await pgvantage(['graph', '-r', 'a', '--json', '--out', 'b'])).out)).toMatchObject({ error: { code: 'USAGE' } })
  })

  it('ends with 130 when interrupted', async () => {
    let err = ''
    const code = await run(['migrate', 'up', '--schema', 'a$'], {
      env: { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' },
      err: (text) => (err += text),
      signal: AbortSignal.abort(new Error('interrupted')),
    })
    expect({ code, err }).toMatchObject({ code: 130 })
  })
})
