import { externalClientUrn, unknownCallerUrn } from '../../catalog/urn.ts'
import { storable } from '../../logs/pattern.ts'
import type { Json } from '../../schema/text.ts'

/** A resource as telemetry describes it. All fields are present; unknown ones are null. */
export interface TelemetryResource {
  urn: string
  /** `service`, `host`, `database`, `queue`, `external`, or a type from `resourceOf`. */
  type: string
  name: string
  env: string | null
  region: string | null
  zone: string | null
  labels: Record<string, Json>
}

/** A resource known by name only: the telemetry of another one names it. */
export const namedResource = (
  urn: string,
  type: 'service' | 'host' | 'database' | 'queue' | 'external',
  name: string,
): TelemetryResource => ({
  urn,
  type,
  name: storable(name),
  env: null,
  region: null,
  zone: null,
  labels: {},
})

/** The caller of a server span without a parent. */
export const externalClient = namedResource(externalClientUrn, 'external', 'client')
/** The caller of a server span whose parent never arrived. */
export const unknownCaller = namedResource(unknownCallerUrn, 'external', 'unknown')

/**
 * Merges two descriptions of one resource. If they differ, the smaller text counts, so the order of
 * arrival does not matter.
 */
export function mergeResources(a: TelemetryResource, b: TelemetryResource): TelemetryResource {
  return {
    ...a,
    type: lesser(a.type, b.type) ?? a.type,
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
