import type { OtlpSpan } from '../../../schema/otlp.ts'
import { readSpanKind, readStatusCode, type KeyValue } from '../../../schema/otlpValues.ts'
import { event, link, span, status } from '../protobuf/otlpMessages.ts'
import { addItems, type Fields } from './fields.ts'
import { readKeyValue } from './readAttributes.ts'

type Link = OtlpSpan['links'][number]
type Event = OtlpSpan['events'][number]

export function readSpan(fields: Fields): OtlpSpan {
  let [traceId, spanId, parentSpanId] = ['', '', '']
  let name: string | undefined
  let kind: number | undefined
  let startTimeUnixNano: bigint | undefined
  let endTimeUnixNano: bigint | undefined
  let read: OtlpSpan['status']
  const attributes: KeyValue[] = []
  const links: Link[] = []
  const events: Event[] = []
  const outer = fields.enter()
  for (let field = fields.next(span); field !== undefined; field = fields.next(span)) {
    if (field === 'attributes') addItems(fields, attributes, readKeyValue)
    else if (field === 'traceId') traceId = fields.id(16)
    else if (field === 'spanId') spanId = fields.id(8)
    else if (field === 'parentSpanId') parentSpanId = fields.id(8)
    else if (field === 'name') name = fields.knownText()
    else if (field === 'kind') kind = fields.enumeration(readSpanKind)
    else if (field === 'startTimeUnixNano') startTimeUnixNano = fields.nanoseconds()
    else if (field === 'endTimeUnixNano') endTimeUnixNano = fields.nanoseconds()
    else if (field === 'links') addItems(fields, links, readLink)
    else if (field === 'events') addItems(fields, events, readEvent)
    else if (field === 'status') read = readStatus(fields)
    else fields.skip()
  }
  fields.leave(outer)
  return { traceId, spanId, parentSpanId, name, kind, startTimeUnixNano, endTimeUnixNano, attributes, links, events, status: read }
}

function readLink(fields: Fields): Link {
  let [traceId, spanId] = ['', '']
  const outer = fields.enter()
  for (let field = fields.next(link); field !== undefined; field = fields.next(link)) {
    if (field === 'traceId') traceId = fields.id(16)
    else if (field === 'spanId') spanId = fields.id(8)
    else fields.skip()
  }
  fields.leave(outer)
  return { traceId, spanId }
}

function readEvent(fields: Fields): Event {
  const attributes: KeyValue[] = []
  const outer = fields.enter()
  for (let field = fields.next(event); field !== undefined; field = fields.next(event)) {
    if (field === 'attributes') addItems(fields, attributes, readKeyValue)
    else fields.skip()
  }
  fields.leave(outer)
  return { attributes }
}

function readStatus(fields: Fields): { code: number | undefined } {
  let code: number | undefined
  const outer = fields.enter()
  for (let field = fields.next(status); field !== undefined; field = fields.next(status)) {
    if (field === 'code') code = fields.enumeration(readStatusCode)
    else fields.skip()
  }
  fields.leave(outer)
  return { code }
}
