import { z } from 'zod'
import { boundedText } from '../../schema/text.ts'

/**
 * A dimension whose distinct values `sketch_5m` counts (users, sessions, addresses), and the
 * attribute that holds them.
 */
export interface Dimension {
  /** Its name in the table: `'user'`. */
  dimension: string
  /**
   * The attribute that holds the value, or several: the first that has one counts. If the record
   * does not have it, its resource's attributes are used.
   */
  from: string | readonly string[]
  /**
   * The records to read. Default: `'requests'`.
   *
   * - `'requests'`: server and consumer spans, so a request counts once at each service it reaches
   * - `'spans'`: all spans, and their events
   * - `'logs'`: log records
   */
  of?: DimensionSource
  /**
   * `'value'`: the most frequent values are stored unchanged. `'hash'`: only their hash is stored,
   * made with `hashKey`; use it for personal data. Default: `'value'`.
   */
  keep?: 'value' | 'hash'
}

export type DimensionSource = 'requests' | 'spans' | 'logs'

/**
 * Dimensions by OpenTelemetry's conventions. Personal data is hashed. To store it unchanged, set
 * `keep`: `{ ...dimensionPresets.client, keep: 'value' }`.
 *
 * | | attribute | of | stored |
 * |---|---|---|---|
 * | `user` | `user.id`, `enduser.id` | requests | as a hash |
 * | `session` | `session.id` | requests | as a hash |
 * | `client` | `client.address`, `http.client_ip` | requests | as a hash |
 * | `endpoint` | `http.route` | requests | unchanged |
 * | `exception` | `exception.type` | spans and their events | unchanged |
 */
export const dimensionPresets = {
  user: { dimension: 'user', from: ['user.id', 'enduser.id'], of: 'requests', keep: 'hash' },
  session: { dimension: 'session', from: ['session.id'], of: 'requests', keep: 'hash' },
  client: { dimension: 'client', from: ['client.address', 'http.client_ip'], of: 'requests', keep: 'hash' },
  endpoint: { dimension: 'endpoint', from: ['http.route'], of: 'requests', keep: 'value' },
  exception: { dimension: 'exception', from: ['exception.type'], of: 'spans', keep: 'value' },
} as const satisfies Record<string, Required<Dimension>>

export type DimensionPreset = keyof typeof dimensionPresets

/** Which values of records are counted, and how. */
export interface DimensionOptions {
  /**
   * The dimensions to count in `sketch_5m`: names of `dimensionPresets`, or your own. Default: an
   * empty list.
   */
  dimensions?: readonly (DimensionPreset | Dimension)[]
  /**
   * The secret for hashing values of dimensions with `keep: 'hash'`, at least 16 characters. Never
   * change it: a value hashed with another key counts as a different value.
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
    .refine((list) => new Set(list.map((one) => one.dimension)).size === list.length, 'must each have a name of their own'),
  hashKey: hashKeyText.optional(),
}

export type ParsedDimension = z.output<typeof dimension>

/** Hashing needs a key. */
export function hashKeyGiven(
  { dimensions, hashKey }: { dimensions: readonly ParsedDimension[]; hashKey?: string | undefined },
  context: z.core.$RefinementCtx,
): void {
  const hashed = dimensions.find(({ keep }) => keep === 'hash')
  if (hashed === undefined || hashKey !== undefined) return
  context.addIssue({ code: 'custom', path: ['hashKey'], message: `is missing: ${hashed.dimension} is stored as a hash` })
}
