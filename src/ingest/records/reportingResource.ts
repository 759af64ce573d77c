import { hostUrn, serviceUrn } from '../../catalog/urn.ts'
import { storable } from '../../logs/pattern.ts'
import type { KeyValue } from '../../schema/otlp.ts'
import { AttributeLookup, attributesOf } from './attributes.ts'
import type { TelemetryResource } from './telemetryResource.ts'

/** The resource that an export request comes from. */
export interface ReportingResource {
  resource: TelemetryResource
  /** The namespace of a peer that a span names without one. */
  namespace: string | undefined
  /** All of its attributes as JSON, keys in order: tells two instances of one service apart. */
  identity: string
  /** Whether it names no service; it is `unknown_service` then. */
  nameless: boolean
}

/**
 * Attributes of a resource that describe all instances of a service alike, and so may be its
 * labels.
 */
const sharedAttributes = ['service.namespace', 'k8s.cluster.name', 'k8s.namespace.name', 'telemetry.sdk.language', 'cloud.provider']

/**
 * Reads the resource of an export request from its attributes.
 *
 * | the attributes have | the resource |
 * |---|---|
 * | `service.name` | a service, in the namespace `k8s.namespace.name`, else `service.namespace`, else `default` |
 * | `host.name` alone, and it is metrics or logs | the host: a collector's host metrics are the host's own |
 * | neither, or traces with `host.name` alone | the service `unknown_service` |
 *
 * A name that an SDK makes up (`unknown_service:<process>`) is kept, and counts as nameless.
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

/** Null too for what is longer than its column. */
const stored = (text: string | undefined): string | null => (text === undefined || Buffer.byteLength(text) > 255 ? null : storable(text))
