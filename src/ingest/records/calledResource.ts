import { databaseUrn, hostUrn, queueUrn, serviceUrn } from '../../catalog/urn.ts'
import type { AttributeLookup } from './attributes.ts'
import { namedResource, type TelemetryResource } from './telemetryResource.ts'

/**
 * Reads from the attributes of a client's or producer's span what it calls; null where they name
 * nothing.
 *
 * The first of these that is there counts, as OpenTelemetry's semantic conventions name them:
 *
 * | attribute | resource |
 * |---|---|
 * | `db.system.name` | the database |
 * | `messaging.system` | the queue |
 * | `peer.service` | the service, taken to be in the caller's namespace |
 * | `server.address`, `url.full` | the host, with its port unless that is 80 or 443 |
 *
 * @throws InvalidInputError when the URN would be longer than 1,024 bytes.
 */
export function calledResource(span: AttributeLookup, namespace: string | undefined): TelemetryResource | null {
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
export function queueOf(span: AttributeLookup): TelemetryResource | null {
  const system = span.text('messaging.system')
  if (system === undefined) return null
  const destination = span.text('messaging.destination.name', 'messaging.destination')
  return namedResource(queueUrn(system, destination), 'queue', destination ?? system)
}

/**
 * Whether a client's span does nothing but open a connection, or look for where to: its name says
 * so (`pg-pool.connect`, `dns.lookup`, `tcp.connect`), and it has no operation. Instrumentations
 * write them beside the call itself. Counted as calls they would double the rate and halve the
 * latency.
 */
export function isConnecting(span: AttributeLookup, name: string): boolean {
  const says = span.has('db.system.name', 'db.system') ? /(?:^|[^a-z])connect(?:$|[^a-z])/i : connecting
  return says.test(name) && !span.has(...operationAttributes)
}

/** As instrumentations of Node.js, Go and .NET call them. */
const connecting =
  /^(?:(?:dns|tcp|tls|ssl|ipc|net|socket)[. ](?:lookup\w*|resolve\w*|connect|(?:client )?handshake)|http\.(?:dns|connect|tls|getconn))(?: |$)/i

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
  'http.request.method',
  'http.method',
  'rpc.system',
  'rpc.system.name',
  'rpc.method',
  'messaging.system',
]

const hostResource = (host: string, port: number | undefined): TelemetryResource =>
  namedResource(hostUrn(host, port === 80 || port === 443 ? undefined : port), 'host', host)
