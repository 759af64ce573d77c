/**
 * Whom a request is for: learned by the service that is asked from outside, carried to the others as W3C baggage, and copied from there to every span
 * and log record.
 */
import type { IncomingMessage } from 'node:http'
import { context, propagation, trace, type Attributes, type Context } from '@opentelemetry/api'
import type { LogRecordProcessor } from '@opentelemetry/sdk-logs'
import type { SpanProcessor } from '@opentelemetry/sdk-trace'

const spanKeys = ['client.address', 'session.id', 'enduser.id']
/** Log records are found by their trace, too. */
const logKeys = ['session.id', 'enduser.id']

/** The active context with the visitor in it; the active span began before anybody was known, and is told as well. */
export function withVisitor({ headers }: IncomingMessage): Context {
  const cookies = new Map(
    (headers.cookie ?? '').split('; ').map((cookie) => [cookie.split('=', 1)[0], cookie.slice(cookie.indexOf('=') + 1)]),
  )
  const known = [
    ['client.address', [headers['x-forwarded-for']].flat()[0]],
    ['session.id', cookies.get('session')],
    ['enduser.id', cookies.get('customer')],
  ].filter((entry): entry is [string, string] => entry[1] !== undefined)
  trace.getActiveSpan()?.setAttributes(Object.fromEntries(known))
  return propagation.setBaggage(
    context.active(),
    propagation.createBaggage(Object.fromEntries(known.map(([key, value]) => [key, { value }]))),
  )
}

/** Copies the visitor to each span as it begins. */
export const visitorOnSpans: SpanProcessor = {
  onStart: (span, parent) => void span.setAttributes(visitorIn(parent, spanKeys)),
  onEnd() {},
  forceFlush: async () => {},
  shutdown: async () => {},
}

/** Copies the visitor to each log record; to stand before the processor that exports. */
export const visitorOnLogs: LogRecordProcessor = {
  onEmit: (record, parent) => void record.setAttributes(visitorIn(parent ?? context.active(), logKeys)),
  forceFlush: async () => {},
  shutdown: async () => {},
}

// Only what is ours: baggage may hold anything.
function visitorIn(carrier: Context, keys: readonly string[]): Attributes {
  const baggage = propagation.getBaggage(carrier)
  const entries = keys.map((key) => [key, baggage?.getEntry(key)?.value] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}
