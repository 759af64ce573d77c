import { resourceInput, type ResourceInput } from '../../catalog/resources.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { plainWords } from '../../schema/plainWords.ts'
import { storableObject, type Json } from '../../schema/text.ts'
import type { TelemetryResource } from './telemetryResource.ts'

/** What telemetry says of a resource, before it has a URN. */
export interface DescribedResource {
  /** Who reports traces, metrics or logs; or the other side that a span names. */
  kind: 'traces' | 'metrics' | 'logs' | 'peer'
  /** Those of the reporting resource, or of the span that names a peer; keys in order. */
  attributes: Readonly<Record<string, Json>>
  /** Whose span names the peer; null when it is no peer. */
  reporter: Readonly<TelemetryResource> | null
}

/** A resource as `resourceOf` names it. `env`, `region`, `zone` and `labels` are optional. */
export interface NamedResource extends ResourceInput {
  /**
   * Labels for all metrics of this reporter, which tell apart what would else be one series; those
   * of the default rules when left out. A point's own attributes win.
   */
  seriesLabels?: Record<string, Json>
}

/**
 * Names the resources that telemetry describes, where the default rules do not fit. It must answer
 * the same whenever it is asked the same: what is read again is a duplicate, whatever it is called
 * by then.
 *
 * @param described what telemetry says of it.
 * @param given what the default rules make of it; null where they know no peer.
 * @returns another resource; undefined for the default. One that cannot be stored is refused with
 * the records it stands for, and counted by the field that is wrong; likewise where it throws an
 * InvalidInputError, as `hostUrn` does of a name that is too long. Any other error ends the load.
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

/** A resource, and the labels that `resourceOf` gave; undefined where it gave none. */
export interface Named<Given> {
  resource: TelemetryResource | Given
  seriesLabels: Record<string, Json> | undefined
}

/**
 * What `resourceOf` makes of a resource: its answer, or what was given.
 *
 * @throws InvalidInputError naming the field of the answer that is wrong, as
 * `resourceOf(...).urn`, or that of an InvalidInputError which it throws; what else it throws.
 */
export function resourceNamed<Given extends TelemetryResource | null>(
  resourceOf: ResourceOf,
  described: DescribedResource,
  given: Given,
): Named<Given> {
  // They stand for other records too.
  for (const shown of [described.attributes, described.reporter, given, given?.labels]) Object.freeze(shown)
  const answer: unknown = answerOf(resourceOf, described, given)
  if (answer === undefined) return { resource: given, seriesLabels: undefined }
  const { data, error } = namedResource.safeParse(answer, { error: plainWords })
  if (data === undefined) {
    // Keys deeper down are the telemetry's, and a report must not grow with them.
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
    // Its message may say what the telemetry says.
    const field = /^\w{1,80}/.exec(error.field)?.[0] ?? 'input'
    throw new InvalidInputError('resourceOf(...)', `refuses a wrong ${field}`, { cause: error })
  }
}

/** A copy with its keys in order, also further down: labels are compared as text. */
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
 * Why records are refused for such an error: the answer's own problem, or a name that is too long
 * to be stored.
 */
export const refusalReason = (error: InvalidInputError): string =>
  error.field.startsWith('resourceOf') ? error.message : `${error.field} is too long`
