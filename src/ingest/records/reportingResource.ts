import { databaseUrn, hostLabel, hostUrn, serviceUrn } from '../../catalog/urn.ts'
import { storable } from '../../logs/pattern.ts'
import type { KeyValue } from '../../schema/otlpValues.ts'
import type { Json } from '../../schema/text.ts'
import { AttributeLookup, attributesOf } from './attributes.ts'
import { resourceNamed, type ResourceOf } from './resourceOf.ts'
import { seriesLabels } from './seriesLabels.ts'
import type { TelemetryResource } from './telemetryResource.ts'

/** The resource that an export request comes from. */
export interface ReportingResource {
  resource: TelemetryResource
  /** The namespace for a peer that a span names without one. */
  namespace: string | undefined
  /** All of its attributes as JSON, keys in order: distinguishes two instances of one service. */
  identity: string
  /**
   * Labels for all of its metrics, which keep different things in different rows. Empty for traces
   * and logs.
   */
  seriesLabels: Record<string, Json>
  /** Whether it names no service; it is then `unknown_service`. */
  nameless: boolean
}

/** Attributes that are the same for all instances of a service, and so can be its labels. */
const sharedAttributes = ['service.namespace', 'k8s.cluster.name', 'k8s.namespace.name', 'telemetry.sdk.language', 'cloud.provider']

/** The attributes with a service's namespace; the first present counts. */
const namespaces = ['k8s.namespace.name', 'service.namespace']

/**
 * Reads the resource of an export request from its attributes. The first match counts:
 *
 * | the attributes have | the resource |
 * |---|---|
 * | `service.name` | a service, in the namespace `k8s.namespace.name`, else `service.namespace`, else `default` |
 * | those of a database server's receiver (`postgresql.database.name`, `mysql.instance.endpoint`), and it is metrics or logs | the database, with the URN that calls to it use too |
 * | `k8s.deployment.name`, `k8s.statefulset.name`, `k8s.daemonset.name`, `k8s.cronjob.name`, `k8s.container.name` | the service of that name |
 * | `host.name` or `k8s.node.name`, and it is metrics or logs | the host: a collector's host metrics are about the host |
 * | `server.address`, and it is metrics or logs | the host, with its port |
 * | no such attribute | the service `unknown_service` |
 *
 * A name that an SDK generates (`unknown_service:<process>`) is kept, and counts as nameless.
 *
 * @param resourceOf called first; the table applies if it returns undefined.
 * @throws InvalidInputError if the URN would be longer than 1,024 bytes, or `resourceOf` returns a
 * value that cannot be stored.
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
  // Another URN may not contain what the default URN contains.
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
  /** The attributes in the URN: as labels they would be redundant. */
  said: readonly string[]
  nameless: boolean
}

/** Whether the attributes name a service, other than with a name that an SDK generates. */
const isService = (lookup: AttributeLookup): boolean => lookup.text('service.name')?.startsWith(madeUp) === false

const madeUp = 'unknown_service'

/**
 * The attributes that name the service of a pod or container, and stay the same after a restart.
 */
const workloads = ['k8s.deployment.name', 'k8s.statefulset.name', 'k8s.daemonset.name', 'k8s.cronjob.name', 'k8s.container.name']

function identify(lookup: AttributeLookup, namespace: string | undefined, dataset: 'traces' | 'metrics' | 'logs'): Identified {
  const service = lookup.text('service.name')
  const namespaceSaid = namespaces.filter((key) => lookup.text(key) !== undefined).slice(0, 1)
  const asService = (name: string, said: readonly string[], nameless: boolean): Identified => {
    return { urn: serviceUrn(name, namespace), type: 'service', name, said: [...said, ...namespaceSaid], nameless }
  }
  if (service !== undefined && isService(lookup)) return asService(service, ['service.name'], false)
  // Only programs have spans.
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

/** The systems that receivers of databases use as the first part of attribute names. */
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

/** The database that a receiver monitors; undefined if it does not monitor one. */
function monitoredDatabase(lookup: AttributeLookup): Identified | undefined {
  const made = lookup.text('service.name')?.slice(madeUp.length + 1)
  const system = lookup.text('db.system.name', 'db.system') ?? databaseSystems.get(made || (lookup.leastNamespace(databaseSystems) ?? ''))
  if (system === undefined) return undefined
  const database = lookup.text(...databaseNames)
  const addressed = databaseAddresses.find((key) => lookup.text(key) !== undefined)
  const address = addressed === undefined ? undefined : lookup.text(addressed)
  const host = lookup.text('host.name')
  // Every host uses this name for itself.
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

/** Null also for a text longer than its column. */
const stored = (text: string | undefined): string | null => (text === undefined || Buffer.byteLength(text) > 255 ? null : storable(text))
