import { z } from 'zod'
import { maxMessageLength, storable, wordsOf } from '../../logs/pattern.ts'
import { messageFields, messageIn, saidIn, withoutValues, withValuesApart } from '../../logs/messageOf.ts'
import { valuesIn, type Place } from '../../logs/miner/parameterValues.ts'
import type { OtlpLogRecord } from '../../schema/otlp.ts'
import type { AnyValue } from '../../schema/otlpValues.ts'
import type { Severity } from '../../schema/severity.ts'
import { boundedText, type Json } from '../../schema/text.ts'
import { jsonOf } from './attributes.ts'
import { severityOf } from './severityOf.ts'

/** How the bodies of log records are read. */
export interface MessageOptions {
  /**
   * The fields of a structured body that hold its message; the first with a text counts. Names
   * match in any case, and `a.b` is also `b` in `a`. Default: `messageFields`, which begins with
   * `message`, `msg`.
   */
  messageFields?: readonly string[]
  /**
   * Also counts the values that vary in messages, the most frequent ones as they are: see
   * `patternDetails`. Default: false, since it stores parts of messages, and several times as many
   * bytes as counts.
   */
  parameters?: boolean
}

/** @internal */
export const messageOptions = {
  messageFields: z.array(boundedText(255)).max(100).readonly().default(messageFields),
  parameters: z.boolean().default(false),
}

/** What is counted of a log record. */
export interface LogMessage {
  /** The body as it was, up to the length that counts. */
  sample: string
  /** The message with `<*>` for numbers, addresses, times and ids. */
  line: string
  severity: Severity | null
  /** What varies in it; empty if it is not asked for. */
  values: readonly (readonly [place: Place, value: string])[]
}

/**
 * Reads a log record.
 *
 * | body | sample |
 * |---|---|
 * | a text | the text |
 * | a map | the text of its message; without one the whole map as `key=value`, keys in order |
 * | an array, a number | its JSON |
 * | absent | the name of its event |
 *
 * The line is that of what the body says ({@link saidIn}). The severity is the record's; without
 * one it is the one that the body names.
 */
export function messageOf(
  record: OtlpLogRecord,
  { messageFields: fields = messageFields, parameters = false }: MessageOptions = {},
): LogMessage {
  const { body, eventName, severityNumber, severityText } = record
  const json = body?.stringValue ?? readable(body)
  const isEmpty = json === null || (typeof json === 'object' && Object.keys(json).length === 0)
  const sample = isEmpty ? (eventName ?? '') : sampleOf(json, eventName, fields)
  const said = saidIn(isEmpty ? sample : json, fields)
  const text = typeof json === 'object' && !isEmpty && messageIn(json, fields) === undefined ? `${eventName ?? ''} ${said.text}` : said.text
  return {
    sample: storable(sample.length > maxMessageLength ? sample.slice(0, maxMessageLength) : sample),
    line: wordsOf(withoutValues(text)),
    severity: severityOf(severityNumber, severityText) ?? said.severity,
    values: parameters ? valuesIn(withValuesApart(text)) : [],
  }
}

function sampleOf(json: Json, eventName: string | null | undefined, fields: readonly string[]): string {
  if (typeof json === 'string') return json
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return JSON.stringify(json)
  const message = messageIn(json, fields)
  if (message !== undefined) return message
  const written = Object.entries(json).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value.replace(/[\s"]+/g, '_') : JSON.stringify(value).replace(/[\s"]+/g, '')}`,
  )
  return [eventName ?? '', ...written.sort()].join(' ').trim()
}

/** A body as JSON; bytes of a field that are a text are this text. */
function readable(body: AnyValue | null | undefined): Json {
  const fields = body?.kvlistValue?.values
  if (fields == null || !fields.some(({ value }) => value?.bytesValue != null)) return jsonOf(body)
  const values = fields.map(({ key, value }) => {
    const text = value?.bytesValue == null ? undefined : Buffer.from(value.bytesValue, 'base64').toString()
    return { key, value: text === undefined || text.includes('\uFFFD') ? value : { stringValue: text } }
  })
  return jsonOf({ kvlistValue: { values } })
}
