import { databaseUrn, hostLabel, hostUrn, serviceUrn } from '../../catalog/urn.ts'
import { storable } from '../../logs/pattern.ts'
import type { KeyValue } from '../../schema/otlp.ts'
import type { Json } from '../../schema/text.ts'
import { AttributeLookup, attributesOf } from './attributes.ts'
import { resourceNamed, type ResourceOf } from './resourceOf.ts'
import { seriesLabels } from './seriesLabels.ts'
import type { TelemetryResource } from './telemetryResource.ts'

/** The resource that an export request comes from. */
export interface ReportingResource {
  resource: TelemetryResource
  /** The namespace of a peer that a span names without one. */
  namespace: string | undefined
  /** All of its attributes as JSON, keys in order: tells two instances of one service apart. */
  identity: string
  /** Labels for all of its metrics: what else would be averaged. Empty for traces and logs. */
  seriesLabels: Record<string, Json>
  /** Whether it names no service; it is `unknown_service` then. */
  nameless: boolean
}

/**
 * Attributes of a resource that describe all instances of a service alike, and so may be its
 * labels.
 */
const sharedAttributes = ['service.namespace', 'k8s.cluster.name', 'k8s.namespace.name', 'telemetry.sdk.language', 'cloud.provider']

/** Where a service's namespace is said; the first counts. */
const namespaces = ['k8s.namespace.name', 'service.namespace']

/**
 * Reads the resource of an export request from its attributes. The first that fits counts:
 *
 * | the attributes have | the resource |
 * |---|---|
 * | `service.name` | a service, in the namespace `k8s.namespace.name`, else `service.namespace`, else `default` |
 * | those of a database server's receiver (`postgresql.database.name`, `mysql.instance.endpoint`), and it is metrics or logs | the database that calls to it name too |
 * | `k8s.deployment.name`, `k8s.statefulset.name`, `k8s.daemonset.name`, `k8s.cronjob.name`, `k8s.container.name` | the service of that name |
 * | `host.name` or `k8s.node.name`, and it is metrics or logs | the host: a collector's host metrics are the host's own |
 * | `server.address`, and it is metrics or logs | the host, with its port |
 * | none of them | the service `unknown_service` |
 *
 * A name that an SDK makes up (`unknown_service:<process>`) is kept, and counts as nameless.
 *
 * @param resourceOf asked before the default counts.
 * @throws InvalidInputError when the URN would be longer than 1,024 bytes, or `resourceOf` answers
 * what cannot be stored.
 */
export function reportingResource(
  attributes: readonly KeyValue[],
  dataset: 'traces' | 'metrics' | 'logs',
  resourceOf?: ResourceOf,
): ReportingResource {
  const lookup = new AttributeLookup(attributes)
  const namespace = lookup.text(...namespaces)
  const all = attributesOf(attributes)
  const identified = identify(lookup, namespace, dataset)
  const given: TelemetryResource = {
    urn: identified.urn,
    type: identified.type,
    name: storable(identified.name),
    env: stored(lookup.text('deployment.environment.name', 'deployment.environment')),
    region: stored(lookup.text('cloud.region')),
    zone: stored(lookup.text('cloud.availability_zone')),
    labels: Object.fromEntries(Object.entries(all).filter(([key]) => sharedAttributes.includes(key))),
  }
  const named = resourceOf === undefined ? undefined : resourceNamed(resourceOf, { kind: dataset, attributes: all, reporter: null }, given)
  const renamed = named !== undefined && named.resource !== given
  // What the default's URN says, another one may not.
  const said = new Set(renamed ? [] : identified.said)
  const labels = () => named?.seriesLabels ?? seriesLabels(all, { named: isService(lookup), said })
  return {
    resource: named?.resource ?? given,
    namespace,
    identity: JSON.stringify(all),
    seriesLabels: dataset === 'metrics' ? labels() : {},
    nameless: identified.nameless && !renamed,
  }
}

interface Identified {
  urn: string
  type: 'service' | 'host' | 'database'
  name: string
  /** The attributes that the URN says: as labels they would say it twice. */
  said: readonly string[]
  nameless: boolean
}

/** Whether the attributes name a service, not only what an SDK makes up. */
const isService = (lookup: AttributeLookup): boolean => lookup.text('service.name')?.startsWith(madeUp) === false

const madeUp = 'unknown_service'

/** What names the service that a pod or container belongs to, and stays when it is restarted. */
const workloads = ['k8s.deployment.name', 'k8s.statefulset.name', 'k8s.daemonset.name', 'k8s.cronjob.name', 'k8s.container.name']

function identify(lookup: AttributeLookup, namespace: string | undefined, dataset: 'traces' | 'metrics' | 'logs'): Identified {
  const service = lookup.text('service.name')
  const namespaceSaid = namespaces.filter((key) => lookup.text(key) !== undefined).slice(0, 1)
  const asService = (name: string, said: readonly string[], nameless: boolean): Identified => {
    return { urn: serviceUrn(name, namespace), type: 'service', name, said: [...said, ...namespaceSaid], nameless }
  }
  if (service !== undefined && isService(lookup)) return asService(service, ['service.name'], false)
  // What has spans is a program.
  const isProgram = dataset === 'traces'
  const database = isProgram ? undefined : monitoredDatabase(lookup)
  if (database !== undefined) return database
  if (service !== undefined) return asService(service, ['service.name'], true)
  const workload = workloads.find((key) => lookup.text(key) !== undefined)
  if (workload !== undefined) return asService(lookup.text(workload)!, [workload], false)
  const host = lookup.text('host.name', 'k8s.node.name')
  if (host !== undefined && !isProgram) {
    const said = ['host.name', 'k8s.node.name'].filter((key) => lookup.text(key) === host)
    return { urn: hostUrn(host), type: 'host', name: hostLabel(host), said: [...said, 'cloud.account.id', 'cloud.region'], nameless: false }
  }
  const address = lookup.text('server.address')
  if (address !== undefined && !isProgram) {
    const urn = hostUrn(address, lookup.port('server.port'))
    return { urn, type: 'host', name: hostLabel(address), said: ['server.address', 'server.port'], nameless: false }
  }
  return asService(madeUp, [], true)
}

/** The systems that receivers of databases name first in their attributes. */
const databaseSystems: ReadonlyMap<string, string> = new Map([
  ['postgresql', 'postgresql'],
  ['mysql', 'mysql'],
  ['sqlserver', 'microsoft.sql_server'],
  ['oracledb', 'oracle.db'],
  ['mongodb', 'mongodb'],
  ['mongodb_atlas', 'mongodb'],
  ['redis', 'redis'],
  ['elasticsearch', 'elasticsearch'],
  ['couchdb', 'couchdb'],
  ['saphana', 'sap.hana'],
])

const databaseNames = ['db.namespace', 'postgresql.database.name', 'sqlserver.database.name', 'mongodb_atlas.db.name', 'database']
const databaseAddresses = ['server.address', 'mysql.instance.endpoint', 'sqlserver.computer.name', 'saphana.host']

/** The database whose server a receiver looks into; undefined where it is none. */
function monitoredDatabase(lookup: AttributeLookup): Identified | undefined {
  const made = lookup.text('service.name')?.slice(madeUp.length + 1)
  const system = lookup.text('db.system.name', 'db.system') ?? databaseSystems.get(made || (lookup.leastNamespace(databaseSystems) ?? ''))
  if (system === undefined) return undefined
  const database = lookup.text(...databaseNames)
  const addressed = databaseAddresses.find((key) => lookup.text(key) !== undefined)
  const address = addressed === undefined ? undefined : lookup.text(addressed)
  const host = lookup.text('host.name')
  // Its own name for itself is everybody's.
  const local = host !== undefined && address !== undefined && loopback.test(address)
  const port = lookup.port('server.port') ?? portOf(address)
  const said = [...databaseNames.filter((key) => lookup.text(key) === database), ...(addressed === undefined ? [] : [addressed])]
  return {
    urn: databaseUrn({ system, host: local ? host : address, port, database }),
    type: 'database',
    name: database ?? system,
    said: [...said, 'server.port', 'db.system.name', 'db.system', 'service.name', ...(local ? ['host.name'] : [])],
    nameless: false,
  }
}

const loopback = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[?::1\]?)(?::\d{1,5})?$/i

const portOf = (address: string | undefined): number | undefined => {
  const digits = /^[^:]+:(\d{1,5})$/.exec(address ?? '')?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** Null too for what is longer than its column. */
const stored = (text: string | undefined): string | null => (text === undefined || Buffer.byteLength(text) > 255 ? null : storable(text))
