import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { storable } from '../../logs/pattern.ts'
import { spanKind, type OtlpLogRecord, type OtlpSpan } from '../../schema/otlp.ts'
import type { KeyValue } from '../../schema/otlpValues.ts'
import { parseOptions } from '../../schema/parse.ts'
import { AttributeLookup } from './attributes.ts'
import { hashKeyText, type DimensionSource, type ParsedDimension } from './dimension.ts'

/** One value of one dimension, as it is stored. */
export interface DimensionValue {
  readonly dimension: string
  readonly item: string
}

/** The values that a resource's records have. */
export interface ValuesOf {
  span(span: OtlpSpan, kind: number): readonly DimensionValue[]
  log(record: OtlpLogRecord): readonly DimensionValue[]
}

const noValues: readonly DimensionValue[] = []

/**
 * A longer value is stored as its beginning plus a hash of the whole value, so distinct values stay
 * distinct.
 */
const maxLength = 200

/** How many hashes are cached: the same users occur many times. */
const maxRemembered = 10_000

/**
 * The item that stands for a value in `sketch_5m`. Use it to find a value that is stored as a hash.
 *
 * @param options the key given to `ingest`, if the dimension is stored as a hash.
 * @throws InvalidInputError if the key is missing from the options, or shorter than 16 characters.
 * @example
 * const item = dimensionItem('ada@example.org', { hashKey })
 * heavyHitters(scope, { dimension: 'user', range }).where('item', '=', item)
 */
export function dimensionItem(value: string, options?: { hashKey: string }): string {
  return itemOf(value, options === undefined ? undefined : parseOptions(itemOptions, options).hashKey)
}

const itemOptions = z.strictObject({ hashKey: hashKeyText })

function itemOf(value: string, hashKey?: string): string {
  const text = storable(value)
  if (hashKey !== undefined) return hashOf(hashKey, text)
  return text.length <= maxLength ? text : `${text.slice(0, maxLength).toWellFormed()}#${hashOf('', text)}`
}

const hashOf = (key: string, text: string) => createHmac('sha256', key).update(text).digest('hex').slice(0, 32)

/** Reads from records the values of dimensions. */
export class DimensionValues {
  readonly #bySource: Readonly<Record<DimensionSource, readonly ParsedDimension[]>>
  readonly #hashKey: string | undefined
  readonly #hashes = new Map<string, string>()

  constructor(dimensions: readonly ParsedDimension[], hashKey?: string) {
    const of = (source: DimensionSource) => dimensions.filter((dimension) => dimension.of === source)
    this.#bySource = { requests: of('requests'), spans: of('spans'), logs: of('logs') }
    this.#hashKey = hashKey
  }

  /** @param shared the attributes of the resource that has the records. */
  under(shared: readonly KeyValue[]): ValuesOf {
    const { requests, spans, logs } = this.#bySource
    let resource: AttributeLookup | undefined
    const ofResource = () => (resource ??= new AttributeLookup(shared))
    const valuesOf = (dimensions: readonly ParsedDimension[], lookups: readonly AttributeLookup[]) =>
      dimensions.flatMap(({ dimension, from, keep }) => {
        const texts = new Set(lookups.flatMap((lookup) => lookup.texts(...from)))
        const found = texts.size > 0 ? [...texts] : ofResource().texts(...from)
        return found.map((text) => ({ dimension, item: keep === 'hash' ? this.#hashed(text) : itemOf(text) }))
      })
    return {
      span: ({ attributes, events }, kind) => {
        const isRequest = kind === spanKind.server || kind === spanKind.consumer
        const ofRequest = isRequest ? requests : []
        if (ofRequest.length === 0 && spans.length === 0) return noValues
        const own = new AttributeLookup(attributes)
        const inside = spans.length === 0 ? [] : events.map((event) => new AttributeLookup(event.attributes))
        return [...valuesOf(ofRequest, [own]), ...valuesOf(spans, [own, ...inside])]
      },
      log: ({ attributes }) => (logs.length === 0 ? noValues : valuesOf(logs, [new AttributeLookup(attributes)])),
    }
  }

  #hashed(text: string): string {
    let hash = this.#hashes.get(text)
    if (hash !== undefined) return hash
    hash = itemOf(text, this.#hashKey)
    if (this.#hashes.size >= maxRemembered) this.#hashes.clear()
    this.#hashes.set(text, hash)
    return hash
  }
}
