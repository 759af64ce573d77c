import { databaseUrn, hostUrn, queueUrn, serviceUrn } from '../../catalog/urn.ts'
import type { AttributeLookup } from './attributes.ts'
import { namedResource } from './resourceOf.ts'
import type { ResourceInput } from '../rollups/rollupWindow.ts'

/**
 * What a client's or producer's span says that it calls, by the semantic conventions: the database (`db.system.name`), the queue (`messaging.system`),
 * the service (`peer.service`, taken to be in the caller's namespace), or the host (`server.address`, or that of the URL; the port is named unless it
 * is 80 or 443). Null when it names none.
 *
 * @throws InvalidInputError when the URN would be longer than 1,024 bytes.
 */
export function calledResource(span: AttributeLookup, namespace: string | undefined): ResourceInput | null {
  const host = span.text('server.address', 'net.peer.name', 'net.peer.ip')
  const port = span.port('server.port', 'net.peer.port')
  const system = span.text('db.system.name', 'db.system')
  if (system !== undefined) {
    const database = span.text('db.namespace', 'db.name')
    return namedResource(databaseUrn({ system, host, port, database }), 'database', database ?? system)
  }
  const queue = queueOf(span)
  if (queue !== null) return queue
  const peer = span.text('peer.service', 'service.peer.name')
  if (peer !== undefined) return namedResource(serviceUrn(peer, namespace), 'service', peer)
  if (host !== undefined) return hostResource(host, port)
  const url = URL.parse(span.text('url.full', 'http.url') ?? '')
  return url?.hostname ? hostResource(url.hostname, url.port === '' ? undefined : Number(url.port)) : null
}

/** The queue or topic that a span names. */
export function queueOf(span: AttributeLookup): ResourceInput | null {
  const system = span.text('messaging.system')
  if (system === undefined) return null
  const destination = span.text('messaging.destination.name', 'messaging.destination')
  return namedResource(queueUrn(system, destination), 'queue', destination ?? system)
}

/**
 * Whether a client's span opens a connection and does nothing else: a database span that is named so and carries no operation. Instrumentations write
 * one beside each query; as calls they would double the rate and halve the latency.
 */
export function isConnecting(span: AttributeLookup, name: string): boolean {
  return span.has('db.system.name', 'db.system') && /connect/i.test(name) && !span.has(...operationAttributes)
}

const operationAttributes = [
  'db.operation.name',
  'db.operation',
  'db.operation.batch.size',
  'db.query.text',
  'db.query.summary',
  'db.statement',
  'db.collection.name',
  'db.sql.table',
  'db.mongodb.collection',
  'db.stored_procedure.name',
]

const hostResource = (host: string, port: number | undefined): ResourceInput =>
  namedResource(hostUrn(host, port === 80 || port === 443 ? undefined : port), 'host', host)
