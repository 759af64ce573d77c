import { resourceInput, type ResourceInput } from '../../catalog/resources.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { plainWords } from '../../schema/plainWords.ts'
import { storableObject, type Json } from '../../schema/text.ts'
import type { TelemetryResource } from './telemetryResource.ts'

/** The description of a resource in telemetry, before it has a URN. */
export interface DescribedResource {
  /** The resource that reports traces, metrics or logs, or the other side that a span names. */
  kind: 'traces' | 'metrics' | 'logs' | 'peer'
  /** The attributes of the reporting resource, or of the span that names a peer; keys in order. */
  attributes: Readonly<Record<string, Json>>
  /** The resource whose span names the peer; null if this is not a peer. */
  reporter: Readonly<TelemetryResource> | null
}

/** A resource as `resourceOf` returns it. `env`, `region`, `zone` and `labels` are optional. */
export interface NamedResource extends ResourceInput {
  /**
   * Labels for all metrics of this reporter, which separate series that would otherwise be one.
   * Default: those of the default rules. A point's own attributes take precedence.
   */
  seriesLabels?: Record<string, Json>
}

/**
 * Names the resources that telemetry describes, where the default rules do not fit. It must return
 * the same name for the same input: a record that is read again is a duplicate, even if its
 * resource's name has changed.
 *
 * @param described the description in the telemetry.
 * @param given the resource by the default rules; null if they find no peer.
 * @returns another resource, or undefined for the default. If the resource cannot be stored, its
 * records are refused and counted by the wrong field. The same happens if it throws an
 * InvalidInputError, as `hostUrn` does for a name that is too long. Any other error ends the load.
 * @example
 * // The node exporters of a Prometheus job are hosts, not instances of one service.
 * const resourceOf: ResourceOf = ({ attributes: { 'service.name': job, 'server.address': host } }) =>
 *   job === 'node-exporter' && typeof host === 'string' ? { urn: hostUrn(host), type: 'host', name: host } : undefined
 */
export type ResourceOf = (described: DescribedResource, given: Readonly<TelemetryResource> | null) => NamedResource | undefined

const namedResource = resourceInput.extend({
  urn: resourceInput.shape.urn.refine((urn) => urn.startsWith('urn:'), 'must begin with urn:'),
  seriesLabels: storableObject.optional(),
})

/** A resource, and the labels from `resourceOf`; undefined if it gave no labels. */
export interface Named<Given> {
  resource: TelemetryResource | Given
  seriesLabels: Record<string, Json> | undefined
}

/**
 * The resource from `resourceOf`, or the given one.
 *
 * @throws InvalidInputError naming the wrong field of the answer, as `resourceOf(...).urn`, or the
 * field of an InvalidInputError that it throws; any other error that it throws.
 */
export function resourceNamed<Given extends TelemetryResource | null>(
  resourceOf: ResourceOf,
  described: DescribedResource,
  given: Given,
): Named<Given> {
  // Frozen, since other records share them.
  for (const shown of [described.attributes, described.reporter, given, given?.labels]) Object.freeze(shown)
  const answer: unknown = answerOf(resourceOf, described, given)
  if (answer === undefined) return { resource: given, seriesLabels: undefined }
  const { data, error } = namedResource.safeParse(answer, { error: plainWords })
  if (data === undefined) {
    // Nested keys are data of the telemetry; as reasons they would make the report grow without
    // bound.
    const { path, message, code } = error.issues[0]!
    const problem = code === 'unrecognized_keys' ? 'has a key that no resource has' : message
    throw new InvalidInputError(['resourceOf(...)', ...path.slice(0, 1).map(String)].join('.'), problem)
  }
  const { urn, type, name, env = null, region = null, zone = null, labels = {}, seriesLabels } = data
  return {
    resource: { urn, type, name, env, region, zone, labels: inOrder(labels) },
    seriesLabels: seriesLabels === undefined ? undefined : inOrder(seriesLabels),
  }
}

function answerOf(resourceOf: ResourceOf, described: DescribedResource, given: TelemetryResource | null): unknown {
  try {
    return resourceOf(described, given)
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    // The message may contain values of the telemetry.
    const field = /^\w{1,80}/.exec(error.field)?.[0] ?? 'input'
    throw new InvalidInputError('resourceOf(...)', `refuses a wrong ${field}`, { cause: error })
  }
}

/** A copy with its keys in order at every depth: labels are compared as text. */
const inOrder = (object: Record<string, Json>): Record<string, Json> =>
  Object.fromEntries(
    Object.entries(object)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, ordered(value)]),
  )

function ordered(value: Json): Json {
  if (Array.isArray(value)) return value.map(ordered)
  return typeof value === 'object' && value !== null ? inOrder(value) : value
}

/**
 * The reason why records are refused for such an error: the problem of the answer, or a name that
 * is too long to be stored.
 */
export const refusalReason = (error: InvalidInputError): string =>
  error.field.startsWith('resourceOf') ? error.message : `${error.field} is too long`
