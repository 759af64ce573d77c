import type { KeyValue } from '../../schema/otlpValues.ts'
import type { Json } from '../../schema/text.ts'
import { attributesOf } from './attributes.ts'

/**
 * The labels that a resource's attributes add to all of its metrics: those that distinguish the
 * things measured, so that two things never become one row with their mean.
 *
 * | the resource | its labels |
 * |---|---|
 * | names a service | attributes that name a part of it other than an instance: see {@link isPart} |
 * | names no service (a kubelet's pods, a host's processes, a server's tables, devices) | all but those in its URN (`said`) and those that only describe: see {@link isDescriptive} |
 *
 * The instances of a service (`service.instance.id`, `k8s.pod.name`, `host.name`, `process.pid`)
 * form one series: a service's metric covers all of them. Without a service, an unknown attribute
 * becomes a label: a label too many splits a series, and a query can merge it; a label too few
 * merges two things, and nothing can separate them.
 */
export function seriesLabels(
  all: Readonly<Record<string, Json>>,
  { named, said }: { named: boolean; said: ReadonlySet<string> },
): Record<string, Json> {
  const spoken = Object.keys(all).some((key) => key.startsWith('telemetry.sdk.'))
  const tells = (key: string) => (named ? isPart(key, spoken) : !said.has(key) && !isDescriptive(key))
  return Object.fromEntries(Object.entries(all).filter(([key, value]) => value !== null && value !== '' && tells(key)))
}

/** The labels of a point, keys in order; the point's value takes precedence over its resource's. */
export function pointLabels(attributes: readonly KeyValue[], ofResource: Readonly<Record<string, Json>>): Record<string, Json> {
  const own = attributesOf(attributes)
  const inherited = Object.entries(ofResource)
  if (inherited.length === 0) return own
  const merged = new Map([...inherited, ...Object.entries(own)])
  return Object.fromEntries([...merged].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The systems whose name begins the names of attributes of metrics measured by another service. */
const measuredSystems: ReadonlySet<string> = new Set([
  'aerospike',
  'apache',
  'bigip',
  'couchdb',
  'elasticsearch',
  'flink',
  'haproxy',
  'hw',
  'iis',
  'kafka',
  'mongodb',
  'mongodb_atlas',
  'mysql',
  'nsxt',
  'oracledb',
  'postgresql',
  'rabbitmq',
  'redis',
  'riak',
  'saphana',
  'snowflake',
  'sqlserver',
  'systemd',
  'vcenter',
])

const parts: ReadonlySet<string> = new Set([
  'aws.volume.id',
  'database',
  'db.collection.name',
  'db.namespace',
  'device',
  'k8s.persistentvolumeclaim.name',
  'k8s.volume.name',
])

/**
 * Attributes that, from an SDK, describe the program itself; from any other source, one part of
 * several.
 */
const partsUnlessSpoken: ReadonlySet<string> = new Set(['container.name', 'k8s.container.name', 'process.executable.name'])

/**
 * Whether an attribute names a part of a service other than an instance: a database, a table, a
 * queue, a device, a volume; a container or a program, unless the service's SDK reports about
 * itself.
 */
const isPart = (key: string, spoken: boolean): boolean =>
  parts.has(key) || (!spoken && partsUnlessSpoken.has(key)) || (measuredSystems.has(firstOf(key)) && !isDescriptive(key))

const firstOf = (key: string): string => key.slice(0, Math.max(0, key.indexOf('.')))

/**
 * OpenTelemetry's descriptive attributes of entities, and attributes of the reporter instead of the
 * thing measured.
 */
const descriptive: ReadonlySet<string> = new Set([
  'aws.ecs.launchtype',
  'aws.ecs.task.revision',
  'cloud.availability_zone',
  'cloud.platform',
  'cloud.provider',
  'container.hostname',
  'faas.max_memory',
  'fs.type',
  'host.arch',
  'host.ip',
  'host.mac',
  'host.type',
  'http.scheme',
  'hw.serial_number',
  'k8s.container.restart_count',
  'k8s.node.start_time',
  'k8s.pod.hostname',
  'k8s.pod.ip',
  'k8s.pod.qos_class',
  'k8s.pod.start_time',
  'k8s.pod.status_reason',
  'k8s.service.publish_not_ready_addresses',
  'k8s.service.traffic_distribution',
  'k8s.service.type',
  'k8s.storageclass.name',
  'k8s.volume.type',
  'process.args_count',
  'process.cgroup',
  'process.creation.time',
  'process.executable.path',
  'process.interactive',
  'process.owner',
  'process.parent_pid',
  'process.title',
  'process.working_directory',
  'server.state',
  'url.scheme',
])

const descriptiveBeginnings = [
  'container.command',
  'container.image.',
  'container.label',
  'container.runtime',
  'deployment.',
  'host.cpu.',
  'host.image.',
  'k8s.container.status.',
  'k8s.hpa.scaletargetref.',
  'k8s.service.selector',
  'os.',
  'process.command',
  'process.executable.build_id.',
  'process.linux.',
  'process.runtime.',
  'process.user.',
  'telemetry.',
]

/** `k8s.pod.labels.app`, `k8s.node.annotation.x`. */
const labelled = /^k8s\.[a-z_]+\.(?:label|annotation)s?\./

/**
 * Whether an attribute only describes what others identify: versions, images, commands, labels,
 * addresses, states, and the SDK.
 */
const isDescriptive = (key: string): boolean =>
  descriptive.has(key) ||
  descriptiveBeginnings.some((beginning) => key.startsWith(beginning)) ||
  /(?:^|[._])(?:version|description)$/.test(key) ||
  labelled.test(key)
