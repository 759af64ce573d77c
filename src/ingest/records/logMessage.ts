import type { OtlpLogRecord } from '../../schema/otlp.ts'
import { jsonOf } from './attributes.ts'

/**
 * The message of a log record.
 *
 * | body | message |
 * |---|---|
 * | a text | the text |
 * | a map | the text under `message`, `msg`, `log` or `body`; without these the whole map as `key=value`, keys in order |
 * | an array, a number | its JSON |
 * | absent | the name of its event |
 */
export function messageOf({ body, eventName }: OtlpLogRecord): string {
  if (body?.stringValue != null) return body.stringValue
  const fields = body?.kvlistValue?.values
  if (fields != null && fields.length > 0) {
    for (const name of ['message', 'msg', 'log', 'body']) {
      const text = fields.find(({ key, value }) => key === name && value?.stringValue != null)?.value?.stringValue
      if (text != null) return text
    }
    const written = fields.map(({ key, value }) => {
      const json = jsonOf(value)
      return `${key}=${typeof json === 'string' ? json.replace(/[\s"]+/g, '_') : JSON.stringify(json).replace(/[\s"]+/g, '')}`
    })
    return [eventName ?? '', ...written.sort()].join(' ').trim()
  }
  const json = jsonOf(body)
  if (json === null || (typeof json === 'object' && Object.keys(json).length === 0)) return eventName ?? ''
  return typeof json === 'string' ? json : JSON.stringify(json)
}
