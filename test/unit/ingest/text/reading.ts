import { Readable } from 'node:stream'
import { readTextLogs, type ReadTextLogsOptions, type RecognisedText } from '../../../../src/ingest/sources/text/readTextLogs.ts'

/** What a text is read as. */
export interface Reading {
  records: { at: string; level: string | undefined; body: string; fields: Record<string, string>; line: number; digest: string }[]
  recognised: RecognisedText | undefined
  malformed: string[]
}

/** Reads lines, or the bytes of a text. */
export async function reading(text: readonly string[] | string | Uint8Array, options: Partial<ReadTextLogsOptions> = {}): Promise<Reading> {
  const chunks = typeof text === 'string' || text instanceof Uint8Array ? [text] : [text.map((line) => `${line}\n`).join('')]
  const found: Reading = { records: [], recognised: undefined, malformed: [] }
  const requests = readTextLogs(Readable.from(chunks), {
    service: 'web',
    onRecognised: (recognised) => (found.recognised = recognised),
    onMalformed: ({ line, reason }) => found.malformed.push(`${line}: ${reason}`),
    ...options,
  })
  for await (const { payload, line, digest } of requests) {
    const record = payload.resourceLogs![0]!.scopeLogs[0]!.logRecords[0]!
    found.records.push({
      at: new Date(Number(record.timeUnixNano! / 1_000_000n)).toISOString(),
      level: record.severityText ?? undefined,
      body: record.body!.stringValue!,
      fields: Object.fromEntries(record.attributes.map(({ key, value }) => [key!, value!.stringValue!])),
      line,
      digest,
    })
  }
  return found
}

/** The same, as lines: time, level and message. */
export async function told(text: readonly string[] | string, options: Partial<ReadTextLogsOptions> = {}): Promise<string[]> {
  const { records } = await reading(text, options)
  return records.map(({ at, level, body }) => `${at.replace('.000Z', 'Z')} ${level ?? '-'} ${body}`)
}
