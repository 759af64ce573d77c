import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../../../src/cli/run.ts'
import { leg } from '../../support/leg.ts'
import { spans } from '../../unit/ingest/telemetry.ts'

describe.skipIf(leg.name !== 'embedded')('pgvantage demo', () => {
  it('tells its story, and with --json gives what it found as one document', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    const recording = join(folder, 'calm.jsonl')
    const calls = Array.from({ length: 20 }, (_, minute) => ({
      id: `s${minute}`,
      kind: 'SERVER' as const,
      from: minute * 60,
      to: minute * 60 + 0.1,
    }))
    await writeFile(recording, `${JSON.stringify(spans('web', calls))}\n`)
    let out = ''
    let err = ''
    const code = await run(['demo', recording, '--json', '--out', join(folder, 'pictures')], {
      env: {},
      out: (text) => (out += text),
      err: (text) => (err += text),
      interactive: false,
    })
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringMatching(/^migrated an embedded PostgreSQL[\s\S]*What do the clients see\?[\s\S]*done in/),
    })
    const { ingested, found, pictures } = JSON.parse(out) as { ingested: object; found: object; pictures: string[] }
    expect(ingested).toMatchObject({ spans: 20, malformed: 0 })
    expect(found).toMatchObject({ service: 'urn:k8s:svc:shop/web', suspects: { rows: [] } })
    expect(pictures.toSorted()).toEqual((await readdir(join(folder, 'pictures'))).map((name) => join(folder, 'pictures', name)).toSorted())
    await rm(folder, { recursive: true })
  })
})
