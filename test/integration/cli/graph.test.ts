import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refreshCallGraph } from '../../../src/calls/refreshCallGraph.ts'
import { run } from '../../../src/cli/run.ts'
import { recordTopology } from '../../../src/topology/recordTopology.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, insertCalls, services } from '../../support/rows.ts'

describe.skipIf(!leg.available || !leg.concurrent)('pgvantage graph', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase()
    const scope = await tenant(test.db, 'shop')
    await insertCalls(scope, [
      { bucket: at('09:55'), src: 'urn:web', dst: 'urn:api', latencies: [10, 20, 30], error_count: 1 },
      { bucket: at('09:55'), src: 'urn:api', dst: 'urn:db', latencies: [5] },
      { bucket: at('09:55'), src: 'urn:db', dst: 'urn:disk', latencies: [1] },
      { bucket: at('09:55'), src: 'urn:disk', dst: 'urn:far', latencies: [1] },
      { bucket: at('08:00'), src: 'urn:web', dst: 'urn:old', latencies: [7] },
    ])
    await services(scope, ['urn:lonely'])
    await refreshCallGraph(scope, { now: at('10:00') })
    await recordTopology(scope, [{ from: 'urn:api', to: 'urn:disk', props: { zone: 'a' } }], {
      at: at('07:00'),
      relation: 'runs_on',
      source: 'test',
    })
  })
  afterAll(() => test.close())

  async function graph(...args: string[]) {
    let out = ''
    let err = ''
    const surroundings = { env: { DATABASE_URL: test.url! }, interactive: false }
    const code = await run(['graph', ...args], { ...surroundings, out: (text) => (out += text), err: (text) => (err += text) })
    return { code, out, err }
  }
  const ends = (out: string) =>
    (JSON.parse(out).edges as { src_urn: string; dst_urn: string }[]).map(({ src_urn, dst_urn }) => `${src_urn} > ${dst_urn}`)

  it('gives the active graph around a service, as far as asked', async () => {
    const { code, out } = await graph('--resource', 'urn:web', '--format', 'json')
    expect(code).toBe(0)
    expect(ends(out)).toEqual(['urn:api > urn:db', 'urn:web > urn:api'])
    expect(JSON.parse(out)).toMatchObject({
      resource: 'urn:web',
      what: expect.stringContaining('active'),
      edges: [{}, { rps: 0.01, p95_ms: 30 }],
    })
    expect(JSON.parse((await graph('-r', 'urn:web', '--json')).out)).toEqual(JSON.parse(out))
    expect(ends((await graph('-r', 'urn:db', '-f', 'json', '--hops', '1', '--direction', 'in')).out)).toEqual(['urn:api > urn:db'])
  })

  it('warns where the newest calls are old at the moment asked for', async () => {
    const err = async (...args: string[]) => (await graph('-r', 'urn:web', '--json', ...args)).err
    expect(await err('--at', '2026-11-22T10:00:00Z')).toBe('')
    expect(await err('--at', '2026-11-22T10:15:00Z', '--window', '1 hour')).toBe('')
    expect(await err('--at', '2026-11-22T10:30:00Z', '--window', '1 hour')).toBe(
      'warning: the newest calls of tenant "shop" are of 2026-11-22T09:55:00.000Z, 35 minutes before 2026-11-22T10:30:00.000Z: what happened since is not known\n',
    )
    expect(await err('--at', '2026-11-21T10:00:00Z')).toContain('warning: tenant "shop" has no calls up to 2026-11-21T10:00:00.000Z\n')
    expect(await err('--at', '2026-11-22T10:30:00Z', '--topology', 'runs_on')).not.toContain('warning')
  })

  it('gives the calls before any moment, and the topology at it', async () => {
    expect(ends((await graph('-r', 'urn:web', '-f', 'json', '--at', '2026-11-22T09:05:00+01:00')).out)).toEqual(['urn:web > urn:old'])
    expect(ends((await graph('-r', 'urn:web', '-f', 'json', '--at', '2026-11-22T10:00:00Z', '--window', '3 hours')).out)).toContain(
      'urn:web > urn:old',
    )
    // Who says how long does not mean the graph that was refreshed at some time.
    expect(JSON.parse((await graph('-r', 'urn:web', '-f', 'json', '--window', '1 minute')).out)).toMatchObject({
      what: expect.stringMatching(/^calls from /),
    })
    const topology = await graph('-r', 'urn:api', '-f', 'json', '--at', '2026-11-22T10:00:00Z', '--topology')
    expect(JSON.parse(topology.out).edges).toMatchObject([
      { src_urn: 'urn:api', dst_urn: 'urn:disk', relation: 'runs_on', props: { zone: 'a' } },
    ])
    expect(ends((await graph('-r', 'urn:api', '-f', 'json', '--topology', 'calls')).out)).toEqual([])
  })

  it('draws it, in every format', async () => {
    expect((await graph('-r', 'urn:web')).out).toMatch(/^<svg[\s\S]*Around urn:web[\s\S]*<\/svg>\n$/)
    expect((await graph('-r', 'urn:web', '-f', 'dot')).out).toMatch(/^digraph "calls"/)
    expect((await graph('-r', 'urn:web', '-f', 'mermaid')).out).toMatch(/flowchart LR/)
    expect((await graph('-r', 'urn:web', '-f', 'graphml')).out).toMatch(/<graphml/)
    const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    const file = join(folder, 'web.svg')
    expect(await graph('-r', 'urn:web', '--out', file)).toEqual({ code: 0, out: '', err: expect.stringContaining(`wrote ${file}\n`) })
    expect(await readFile(file, 'utf8')).toMatch(/^<svg/)
    for (const [name, start] of [
      ['web.gv', /^digraph/],
      ['web.mmd', /flowchart LR/],
      ['web.GRAPHML', /<graphml/],
      ['web.json', /^\{/],
      ['web', /^<svg/],
    ] as const) {
      expect(await graph('-r', 'urn:web', '--out', join(folder, name))).toMatchObject({ code: 0 })
      expect(await readFile(join(folder, name), 'utf8')).toMatch(start)
    }
    await graph('-r', 'urn:web', '--out', join(folder, 'web.txt'), '--format', 'dot')
    expect(await readFile(join(folder, 'web.txt'), 'utf8')).toMatch(/^digraph/)
    // An SVG by the name of a PNG is one that no viewer opens.
    expect(await graph('-r', 'urn:web', '--out', join(folder, 'web.png'))).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^error: --out: must end in one of \.svg, .*, or --format say what it holds, got ".*web\.png"\n$/),
    })
    await rm(folder, { recursive: true })
  })

  it('says what it cannot know', async () => {
    expect(await graph('-r', 'urn:none')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(
        /^error: tenant "shop" has no resource with URN "urn:none": the most similar it has are urn:\w+, urn:\w+, urn:\w+; `pgvantage resources WORD` finds others\n$/,
      ),
    })
    expect(await graph('-r', 'urn:lonely')).toMatchObject({
      code: 0,
      err: expect.stringContaining('nothing is around urn:lonely: the active call graph'),
    })
    expect(await graph('-r', 'urn:web', '--window', 'a while', '--at', '2026-11-22T10:00:00Z')).toMatchObject({
      code: 2,
      err: expect.stringContaining('"a while"'),
    })
    for (const [option, value, message] of [
      ['--hops', '101', 'error: --hops: must be at most 100, got 101\n'],
      ['--window', 'soon', 'error: --window: must be a positive interval'],
      ['--topology', '', 'error: --topology: must not be empty, got ""\n'],
    ] as const) {
      expect(await graph('-r', 'urn:web', option, value)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) })
    }
    expect(await graph('-r', '')).toMatchObject({ code: 2, err: 'error: --resource: must not be empty, got ""\n' })
    await tenant(test.db, 'other')
    expect(await graph('-r', 'urn:web')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--tenant: say which: there are 2 tenants (`pgvantage tenants` lists them)'),
    })
    expect(await graph('-r', 'urn:web', '-t', 'other')).toMatchObject({
      code: 2,
      err: expect.stringContaining('tenant "other" has no resource'),
    })
  })
})
