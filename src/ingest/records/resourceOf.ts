import { externalClientUrn, hostUrn, serviceUrn, unknownCallerUrn } from '../../catalog/urn.ts'
import { storable } from '../../logs/pattern.ts'
import type { KeyValue } from '../../schema/otlp.ts'
import type { Json } from '../../schema/text.ts'
import { AttributeLookup, attributesOf } from './attributes.ts'
import type { ResourceInput } from '../rollups/rollupWindow.ts'

/** The resource that telemetry comes from. */
export interface ReportingResource {
  resource: ResourceInput
  /** Where its services are named: the namespace of a peer that is named without one. */
  namespace: string | undefined
  /** All of its attributes, canonical: what tells two instances of one service apart. */
  identity: string
  /** Whether it names no service and is `unknown_service` therefore. */
  nameless: boolean
}

/** Attributes of a resource that describe all instances of a service alike, and so may be its labels. */
const sharedAttributes = ['service.namespace', 'k8s.cluster.name', 'k8s.namespace.name', 'telemetry.sdk.language', 'cloud.provider']

/**
 * The resource of an export request.
 *
 * A service by `service.name`, in the namespace `k8s.namespace.name`, else `service.namespace`, else `default`. Without a service name: metrics and
 * logs of a resource with a `host.name` are the host's own (as a collector's host metrics are), everything else is the service `unknown_service`, as
 * the resource semantic conventions have it (a name an SDK makes up, `unknown_service:<process>`, counts as none but is kept).
 *
 * @throws InvalidInputError when the URN would be longer than 1,024 bytes.
 */
export function reportingResource(attributes: readonly KeyValue[], dataset: 'traces' | 'metrics' | 'logs'): ReportingResource {
  const lookup = new AttributeLookup(attributes)
  const namespace = lookup.text('k8s.namespace.name', 'service.namespace')
  const service = lookup.text('service.name')
  const host = lookup.text('host.name')
  const isHost = service === undefined && host !== undefined && dataset !== 'traces'
  const name = isHost ? host : (service ?? 'unknown_service')
  const all = attributesOf(attributes)
  return {
    resource: {
      urn: isHost ? hostUrn(name) : serviceUrn(name, namespace),
      type: isHost ? 'host' : 'service',
      name: storable(name),
      env: stored(lookup.text('deployment.environment.name', 'deployment.environment')),
      region: stored(lookup.text('cloud.region')),
      zone: stored(lookup.text('cloud.availability_zone')),
      labels: Object.fromEntries(Object.entries(all).filter(([key]) => sharedAttributes.includes(key))),
    },
    namespace,
    identity: JSON.stringify(all),
    nameless: !isHost && (service === undefined || service.startsWith('unknown_service')),
  }
}

/** A resource that is only named by another's telemetry. */
export const namedResource = (urn: string, type: ResourceInput['type'], name: string): ResourceInput => ({
  urn,
  type,
  name: storable(name),
  env: null,
  region: null,
  zone: null,
  labels: {},
})

export const externalClient = namedResource(externalClientUrn, 'external', 'client')
export const unknownCaller = namedResource(unknownCallerUrn, 'external', 'unknown')

/** What two mentions of one resource say together. Where they contradict, the lesser text counts, so that their order does not. */
export function mergeResources(a: ResourceInput, b: ResourceInput): ResourceInput {
  return {
    ...a,
    name: lesser(a.name, b.name) ?? a.name,
    env: lesser(a.env, b.env),
    region: lesser(a.region, b.region),
    zone: lesser(a.zone, b.zone),
    labels: mergeLabels(a.labels, b.labels),
  }
}

function mergeLabels(a: Record<string, Json>, b: Record<string, Json>): Record<string, Json> {
  const merged = new Map(Object.entries(a))
  for (const [key, value] of Object.entries(b)) {
    const other = merged.get(key)
    if (other === undefined || JSON.stringify(value) < JSON.stringify(other)) merged.set(key, value)
  }
  return Object.fromEntries(merged)
}

const lesser = (a: string | null, b: string | null): string | null => (a === null ? b : b === null || a < b ? a : b)
/** What is too long for a column describes nothing. */
const stored = (text: string | undefined): string | null => (text === undefined || Buffer.byteLength(text) > 255 ? null : storable(text))
