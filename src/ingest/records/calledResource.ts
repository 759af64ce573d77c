import { databaseUrn, hostLabel, hostUrn, queueUrn, serviceUrn } from '../../catalog/urn.ts'
import type { AttributeLookup } from './attributes.ts'
import { namedResource, type TelemetryResource } from './telemetryResource.ts'

/**
 * Reads from the attributes of a client or producer span what it calls; null if they name nothing.
 * Used where the other side has no span of its own: databases, brokers, anything not instrumented.
 * The first match counts:
 *
 * | the span has | resource |
 * |---|---|
 * | `db.system.name` or `db.namespace` | the database `urn:db:<system>:<cluster>/<db.namespace>`; the cluster is `peer.service`, else the address, else `default` |
 * | `messaging.system` | the queue |
 * | `service.peer.name`, `peer.service` | the service, in `service.peer.namespace`, else in the caller's namespace |
 * | an address | the host, with its port unless that is 80 or 443; `<name>.<namespace>.svc` is that service of Kubernetes |
 *
 * The address is the first of `server.address`, the host of `url.full`, `network.peer.address`.
 * Older names of all these attributes are read if the current ones are missing.
 *
 * @throws InvalidInputError if the URN would be longer than 1,024 bytes.
 */
export function calledResource(span: AttributeLookup, namespace: string | undefined): TelemetryResource | null {
  const peer = span.text('service.peer.name', 'peer.service')
  const address = addressOf(span)
  const system = span.text('db.system.name', 'db.system', 'db.type')
  const database = span.text(...databaseNames)
  if (system !== undefined || database !== undefined) {
    const cluster = peer === undefined ? address : { host: peer, port: undefined }
    const urn = databaseUrn({ system: system ?? 'unknown', ...cluster, database })
    return namedResource(urn, 'database', database ?? system!)
  }
  const queue = queueOf(span)
  if (queue !== null) return queue
  if (peer !== undefined) return serviceResource(peer, span.text('service.peer.namespace') ?? namespace)
  return address === undefined ? null : addressedResource(address)
}

/** Current names first; the last ones are OpenTracing's. */
const databaseNames = [
  'db.namespace',
  'db.name',
  'db.redis.database_index',
  'db.cassandra.keyspace',
  'db.hbase.namespace',
  'db.elasticsearch.cluster.name',
  'db.instance',
]

interface Address {
  host: string
  port: number | undefined
}

/** The address of a span's other side. */
function addressOf(span: AttributeLookup): Address | undefined {
  const logical = span.text('server.address', 'net.peer.name', 'peer.hostname')
  if (logical !== undefined) return { host: logical, port: span.port('server.port', 'net.peer.port', 'peer.port') }
  const url = URL.parse(span.text('url.full', 'http.url') ?? '')
  if (url?.hostname) return { host: url.hostname, port: url.port === '' ? undefined : Number(url.port) }
  const header = span.text('http.host')
  if (header !== undefined) return { host: header, port: undefined }
  const physical = span.text('network.peer.address', 'net.sock.peer.name', 'net.sock.peer.addr', 'net.peer.ip', 'peer.ipv4', 'peer.ipv6')
  if (physical === undefined) return undefined
  return { host: physical, port: span.port('network.peer.port', 'net.sock.peer.port', 'net.peer.port', 'peer.port') }
}

/** The queue or topic that a span names. */
export function queueOf(span: AttributeLookup): TelemetryResource | null {
  const system = span.text('messaging.system')
  if (system === undefined) return null
  const destination = span.text('messaging.destination.name', 'messaging.destination')
  return namedResource(queueUrn(system, destination), 'queue', destination ?? system)
}

/**
 * Whether a client span only opens a connection or resolves an address: its name says so
 * (`pg-pool.connect`, `dns.lookup`, `tcp.connect`), and it has no operation. Instrumentations write
 * such spans next to the call itself. Counted as calls they would double the rate and halve the
 * latency.
 */
export function isConnecting(span: AttributeLookup, name: string): boolean {
  const says = span.has('db.system.name', 'db.system') ? /(?:^|[^a-z])connect(?:$|[^a-z])/i : connecting
  return says.test(name) && !span.has(...operationAttributes)
}

/** Names used by instrumentations of Node.js, Go and .NET. */
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

const serviceResource = (name: string, namespace: string | undefined): TelemetryResource =>
  namedResource(serviceUrn(name, namespace), 'service', name)

/**
 * `cart.shop.svc`, `cart.shop.svc.cluster.local`, `cart-0.cart.shop.svc`, with or without a port.
 */
const kubernetesName = /^(?:[^.]+\.)?([^.]+)\.([^.]+)\.svc(?:\.[^:]*)?(?::\d+)?$/i

function addressedResource({ host, port }: Address): TelemetryResource {
  const [, service, namespace] = kubernetesName.exec(host) ?? []
  if (service !== undefined) return serviceResource(service.toLowerCase(), namespace?.toLowerCase())
  return namedResource(hostUrn(host, port), 'host', hostLabel(host))
}
