import type { OtlpLogRecord } from '../../../schema/otlp.ts'
import { readSeverity, type AnyValue, type KeyValue } from '../../../schema/otlpValues.ts'
import { logRecord } from '../protobuf/otlpMessages.ts'
import { addItems, type Fields } from './fields.ts'
import { readAnyValue, readKeyValue } from './readAttributes.ts'

export function readLogRecord(fields: Fields): OtlpLogRecord {
  let timeUnixNano: bigint | undefined
  let observedTimeUnixNano: bigint | undefined
  let severityNumber: number | undefined
  let severityText: string | undefined
  let eventName: string | undefined
  let body: AnyValue | undefined
  const attributes: KeyValue[] = []
  const outer = fields.enter()
  for (let field = fields.next(logRecord); field !== undefined; field = fields.next(logRecord)) {
    if (field === 'attributes') addItems(fields, attributes, readKeyValue)
    else if (field === 'timeUnixNano') timeUnixNano = fields.nanoseconds()
    else if (field === 'observedTimeUnixNano') observedTimeUnixNano = fields.nanoseconds()
    else if (field === 'severityNumber') severityNumber = fields.enumeration(readSeverity)
    else if (field === 'severityText') severityText = fields.knownText()
    else if (field === 'eventName') eventName = fields.knownText()
    else if (field === 'body') body = readAnyValue(fields)
    else fields.skip()
  }
  fields.leave(outer)
  return { timeUnixNano, observedTimeUnixNano, severityNumber, severityText, eventName, body, attributes }
}
