import { z } from 'zod'
import { boundedText } from '../../schema/text.ts'

/**
 * What `sketch_5m` counts the different values of: users, sessions, addresses. Which attribute of
 * which records says it.
 */
export interface Dimension {
  /** Its name in the table: `'user'`. */
  dimension: string
  /**
   * The attribute that holds the value, or several: the first that has one counts. What the record
   * does not say its resource may.
   */
  from: string | readonly string[]
  /**
   * Of which records. `'requests'`: server and consumer spans, so that a request counts once at
   * each service that it reaches; `'spans'`: all spans, and the events in them; `'logs'`. Default:
   * `'requests'`.
   */
  of?: DimensionSource
  /**
   * `'value'`: the most frequent values are stored as they are. `'hash'`: nothing is written
   * anywhere but their hash, made with `hashKey`: for what is personal. Default: `'value'`.
   */
  keep?: 'value' | 'hash'
}

export type DimensionSource = 'requests' | 'spans' | 'logs'

/**
 * Dimensions by OpenTelemetry's conventions. What is personal is hashed: name your own `keep` to
 * see it, `{ ...dimensionPresets.client, keep: 'value' }`.
 *
 * | | attribute | of | kept |
 * |---|---|---|---|
 * | `user` | `user.id`, `enduser.id` | requests | as a hash |
 * | `session` | `session.id` | requests | as a hash |
 * | `client` | `client.address`, `http.client_ip` | requests | as a hash |
 * | `endpoint` | `http.route` | requests | as it is |
 * | `exception` | `exception.type` | spans and their events | as it is |
 */
export const dimensionPresets = {
  user: { dimension: 'user', from: ['user.id', 'enduser.id'], of: 'requests', keep: 'hash' },
  session: { dimension: 'session', from: ['session.id'], of: 'requests', keep: 'hash' },
  client: { dimension: 'client', from: ['client.address', 'http.client_ip'], of: 'requests', keep: 'hash' },
  endpoint: { dimension: 'endpoint', from: ['http.route'], of: 'requests', keep: 'value' },
  exception: { dimension: 'exception', from: ['exception.type'], of: 'spans', keep: 'value' },
} as const satisfies Record<string, Required<Dimension>>

export type DimensionPreset = keyof typeof dimensionPresets

/** What of a record's values is counted, and how. */
export interface DimensionOptions {
  /**
   * What is counted in `sketch_5m`: names of `dimensionPresets`, or your own. Default: none.
   */
  dimensions?: readonly (DimensionPreset | Dimension)[]
  /**
   * The secret that values are hashed with where a dimension says so, at least 16 characters. Give
   * the same one for ever: what was hashed with another is counted apart.
   */
  hashKey?: string
}

const shortText = boundedText(255)

const dimension = z
  .strictObject({
    dimension: shortText,
    from: z.union([shortText.transform((key) => [key]), z.array(shortText).min(1)]),
    of: z.enum(['requests', 'spans', 'logs']).default('requests'),
    keep: z.enum(['value', 'hash']).default('value'),
  })
  .readonly()

export const hashKeyText = z.string().min(16, 'must have at least 16 characters')

const presetNames = Object.keys(dimensionPresets) as DimensionPreset[]

const dimensionFlaw = `must be ${presetNames.map((name) => `'${name}'`).join(', ')}, or one of your own: { dimension, from, of: 'requests' | 'spans' | 'logs', keep: 'value' | 'hash' }`

/** The two options as zod fields. */
export const dimensionOptions = {
  dimensions: z
    .array(z.union([z.enum(presetNames).transform((name) => dimension.parse(dimensionPresets[name])), dimension], dimensionFlaw))
    .default([])
    .refine((list) => new Set(list.map((one) => one.dimension)).size === list.length, 'must have a name each of its own'),
  hashKey: hashKeyText.optional(),
}

export type ParsedDimension = z.output<typeof dimension>

/** Without a key nothing can be kept as a hash. */
export function hashKeyGiven(
  { dimensions, hashKey }: { dimensions: readonly ParsedDimension[]; hashKey?: string | undefined },
  context: z.core.$RefinementCtx,
): void {
  const hashed = dimensions.find(({ keep }) => keep === 'hash')
  if (hashed === undefined || hashKey !== undefined) return
  context.addIssue({ code: 'custom', path: ['hashKey'], message: `is missing: ${hashed.dimension} is kept as a hash` })
}
