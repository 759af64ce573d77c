import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api'
import type { ZodType } from 'zod'
import { portOf } from '../topology.ts'
import { onStop } from './control.ts'
import { host, portBase } from './environment.ts'
import { log } from './log.ts'

/** A message as it travels: `headers` carry the trace context (W3C `traceparent`). */
export interface Message {
  readonly id: string
  readonly topic: string
  readonly headers: Record<string, string>
  readonly payload: unknown
}

/** One line of JSON from a client to the broker. */
export type BrokerRequest = { readonly publish: Message } | { readonly subscribe: string }

/** One line of JSON from the broker to a client. */
export type BrokerReply = { readonly accepted: string } | { readonly deliver: Message }

/** How to consume a topic. */
export interface ConsumeOptions<Payload> {
  /** What a message must look like. */
  readonly payload: ZodType<Payload>
  readonly handle: (payload: Payload) => Promise<void>
  /** Told of every message that arrived, before it waits its turn. */
  readonly onReceived?: () => void
  /** Told of every message that was handled, well or not. */
  readonly onFinished?: () => void
}

const tracer = trace.getTracer('shop.queue')
const port = portOf('broker', portBase)
const accepted = new Map<string, () => void>()
const consumers = new Map<string, (message: Message) => void>()
let broker: Promise<Socket> | undefined

/** Puts `payload` on `topic`, as a PRODUCER span; resolves when the broker has taken it. */
export async function publish(topic: string, payload: unknown): Promise<void> {
  const id = crypto.randomUUID()
  const attributes = { ...messaging(topic, id, 'send'), 'server.address': host, 'server.port': port }
  await tracer.startActiveSpan(`send ${topic}`, { kind: SpanKind.PRODUCER, attributes }, async (span) => {
    try {
      const headers: Record<string, string> = {}
      propagation.inject(context.active(), headers)
      const isAccepted = new Promise<void>((resolve) => accepted.set(id, resolve))
      await send({ publish: { id, topic, headers, payload } })
      await isAccepted
    } finally {
      span.end()
    }
  })
}

/** Handles the messages of `topic` one after another, each in a CONSUMER span that is a child of its PRODUCER span. */
export async function consume<Payload>(topic: string, options: ConsumeOptions<Payload>): Promise<void> {
  let last = Promise.resolve()
  consumers.set(topic, (message) => {
    options.onReceived?.()
    last = last.then(() => handle(message, options)).finally(options.onFinished)
  })
  await send({ subscribe: topic })
}

function handle<Payload>(message: Message, options: ConsumeOptions<Payload>): Promise<void> {
  const producer = propagation.extract(ROOT_CONTEXT, message.headers)
  const attributes = messaging(message.topic, message.id, 'process')
  return tracer.startActiveSpan(`process ${message.topic}`, { kind: SpanKind.CONSUMER, attributes }, producer, async (span) => {
    try {
      await options.handle(options.payload.parse(message.payload))
    } catch (error) {
      log.error(`message ${message.id} dropped: ${String(error)}`)
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) })
    } finally {
      span.end()
    }
  })
}

function messaging(topic: string, id: string, operation: 'send' | 'process'): Attributes {
  return {
    'messaging.system': 'shop_broker',
    'messaging.destination.name': topic,
    'messaging.message.id': id,
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
  }
}

async function send(request: BrokerRequest): Promise<void> {
  // Opened outside of any trace: what an arriving message belongs to is in its headers.
  broker ??= context.with(ROOT_CONTEXT, openBroker)
  const socket = await broker
  socket.write(`${JSON.stringify(request)}\n`)
}

async function openBroker(): Promise<Socket> {
  const socket = connect(port, host)
  await once(socket, 'connect')
  createInterface({ input: socket }).on('line', (line) => receive(JSON.parse(line) as BrokerReply))
  onStop(async () => socket.destroy())
  return socket
}

function receive(reply: BrokerReply): void {
  if ('deliver' in reply) return consumers.get(reply.deliver.topic)?.(reply.deliver)
  accepted.get(reply.accepted)?.()
  accepted.delete(reply.accepted)
}
