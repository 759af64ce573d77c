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
      out: expect.stringMatching(/migrate[\s\S]*policies[\s\S]*maintain[\s\S]*doctor[\s\S]*ingest[\s\S]*graph[\s\S]*Exit codes: 0 done/),
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
      err: 'error: connect ECONNREFUSED 127.0.0.1:1\n(--verbose shows where)\n',
    })
    expect((await pgvantage(['doctor', '--verbose'], nowhere)).err).toMatch(/^\s+at /m)
  })

  it('keeps stdout one JSON document after a failure', async () => {
    const { code, out, err } = await pgvantage(['migrate', 'up', '--json'], { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' })
    expect({ code, err }).toEqual({ code: 1, err: '' })
    expect(JSON.parse(out)).toEqual({ error: { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED 127.0.0.1:1' } })
    expect(JSON.parse((await pgvantage(['migrate', 'up', '--json', '--frob'])).out)).toEqual({
      error: { code: 'USAGE', message: "unknown option '--frob'" },
    })
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
