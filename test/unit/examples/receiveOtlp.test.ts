import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRecording } from '../../../examples/shop/openRecording.ts'
import { receiveOtlp, type OtlpReceiver, type OtlpRequest } from '../../../examples/shop/receiveOtlp.ts'

const spans = { resourceSpans: [{ resource: {}, scopeSpans: [] }] }

describe('receiveOtlp', () => {
  let receiver: OtlpReceiver
  let received: OtlpRequest[]
  let refuses: boolean
  beforeEach(async () => {
    received = []
    refuses = false
    receiver = await receiveOtlp({
      port: 0,
      onRequest: (request) => {
        if (refuses) throw new Error('disk full')
        received.push(request)
      },
    })
  })
  afterEach(() => receiver.close())

  const post = async (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    (await fetch(`${receiver.endpoint}${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } }))
      .status

  it('takes an export request, plain or gzip', async () => {
    expect(await post('/v1/traces', JSON.stringify(spans))).toBe(200)
    expect(await post('/v1/traces', new Uint8Array(gzipSync(JSON.stringify(spans))), { 'content-encoding': 'gzip' })).toBe(200)
    expect(received).toEqual([spans, spans])
  })

  it.each([
    ['malformed JSON', '/v1/traces', '{', {}, 400],
    ['another signal', '/v1/logs', JSON.stringify(spans), {}, 400],
    ['damaged gzip', '/v1/traces', 'no gzip', { 'content-encoding': 'gzip' }, 400],
    ['protobuf', '/v1/traces', 'x', { 'content-type': 'application/x-protobuf' }, 415],
    ['an unknown path', '/v1/profiles', '{}', {}, 404],
  ])('refuses %s', async (_, path, body, headers, status) => {
    expect(await post(path, body, headers)).toBe(status)
    expect(received).toEqual([])
  })

  it('asks the sender to try again when the request could not be kept', async () => {
    refuses = true
    expect(await post('/v1/traces', JSON.stringify(spans))).toBe(503)
  })
})

describe('openRecording', () => {
  it('writes a request a line, and gives the file its name only when it is whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    try {
      const file = join(folder, 'recording.jsonl.gz')
      const recording = await openRecording(file)
      await recording.write(spans)
      await recording.write({ resourceLogs: [] })
      await expect(readFile(file)).rejects.toThrow('ENOENT')
      await recording.close()
      const lines = gunzipSync(await readFile(file))
        .toString()
        .trim()
        .split('\n')
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([spans, { resourceLogs: [] }])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
