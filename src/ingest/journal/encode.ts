import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { VantageError } from '../../schema/errors.ts'
import type { Severity } from '../../schema/severity.ts'
import type { DimensionValue } from '../records/dimensionValues.ts'
import type { SpanRecord } from '../records/spanRecord.ts'
import type { TelemetryResource } from '../records/telemetryResource.ts'
import type { SourceObject } from '../sources/otlpRequest.ts'
import { packedValue, unpackedValue, type PackedValue } from '../rollups/metrics/packedValue.ts'
import type { MetricSeries } from '../rollups/metrics/metricSeries.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'
import { mention, WindowPart } from './windowPart.ts'

/**
 * Raise it with every change of the format. Parts of a later format are not read; parts of an
 * earlier one lack the optional fields.
 */
const form = 2

/**
 * The format of a part: one array per column, which compresses best. Resources and places are
 * referenced by their index in a list.
 */
interface Packed {
  form: number
  resources: TelemetryResource[]
  /** How many of them report; spans name the others. */
  reporting: number
  /** For each that reports, in their order. */
  reported: [records: number, clock: number][]
  places: [bucket: string, key: string, first: number, last: number][]
  spans?: {
    key: string[]
    causes: string[][]
    kind: number[]
    resource: number[]
    names: (number | null)[]
    start: number[]
    duration: number[]
    /** 1: failed, 2: connecting. */
    flags: number[]
    place: number[]
    values?: { dimension: string; items: string[]; span: number[]; item: number[] }[]
  }
  series?: {
    series: Omit<MetricSeries, 'resource'> & { resource: number }
    minute: number[]
    time: number[]
    start: number[]
    value: PackedValue[]
  }[]
  patterns?: {
    resource: number
    line: string
    sample: [message: string, time: number, place: number]
    severity: Severity | null
    types: [string, string][]
    total: number
    errors: number
    first: number
    last: number
    parameters?: [place: string, values: [value: string, count: number][]][]
  }[]
  values?: { resource: number; dimension: string; items: [item: string, total: number, errors: number][] }[]
}

/** A part as the journal keeps it: JSON, compressed. */
export function encodePart(part: WindowPart): Buffer {
  // Resources that spans name follow those that report: they may have the same URN and fewer
  // fields.
  const resources = new Numbered<TelemetryResource>(({ urn }) => urn)
  for (const resource of part.resources.values()) resources.of(resource)
  const reporting = resources.list.length
  const named = new Map<string, TelemetryResource>()
  for (const { names } of part.spans) if (names !== null) mention(named, names)
  const names = new Numbered<TelemetryResource>(({ urn }) => urn)
  for (const resource of named.values()) names.of(resource)
  const places = new Numbered<{ origin: SourceObject; first: number; last: number }>(({ origin }) => placeKey(origin))
  for (const place of part.locators.places(part.dataset)) places.of(place)
  const placeOf = (origin: SourceObject) => places.of({ origin, first: 0, last: 0 })
  const reported = [...part.resources.keys()].map((urn): [number, number] => {
    const { records, clock } = part.reported.get(urn)!
    return [records, clock]
  })
  const packed: Packed = { form, resources: [...resources.list, ...names.list], reporting, reported, places: [] }
  if (part.dataset === 'traces') packed.spans = packedSpans(part.spans, resources, (urn) => reporting + names.numberOf(urn), placeOf)
  if (part.dataset === 'metrics') {
    packed.series = [...part.metrics.series()].map(({ series, points }) => ({
      series: { ...series, resource: resources.numberOf(series.resource) },
      minute: points.map(({ minute }) => minute),
      time: points.map(({ time }) => time),
      start: points.map(({ start }) => start),
      value: points.map(({ value }) => packedValue(value)),
    }))
  }
  if (part.dataset === 'logs') {
    packed.patterns = [...part.patterns.tallies()].map(({ resource, sample, types, parameters, ...tally }) => ({
      ...tally,
      ...(parameters !== undefined && { parameters: [...parameters].map(([place, values]) => [place, [...values]]) }),
      resource: resources.numberOf(resource),
      sample: [sample.message, sample.time, placeOf(sample.origin)],
      types: [...types],
    }))
    packed.values = [...part.values.counted()].map(({ resource, dimension, items }) => ({
      resource: resources.numberOf(resource),
      dimension,
      items: [...items].map(([item, { total, errors }]) => [item, total, errors]),
    }))
  }
  packed.places = places.list.map(({ origin, first, last }) => [origin.objectBucket, origin.objectKey, first, last])
  return zstdCompressSync(JSON.stringify(packed), { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
}

/**
 * Decodes a part.
 *
 * @param counted whether the report of this run counts its records.
 * @throws VantageError (`JOURNAL_FORM`) if a later version of the library wrote it.
 */
export function decodePart(dataset: Dataset, window: number, bytes: Uint8Array, counted: boolean): WindowPart {
  const packed = JSON.parse(zstdDecompressSync(bytes).toString()) as Packed
  if (packed.form > form) {
    throw new VantageError(
      `the journal of telemetry holds form ${packed.form}, this library reads ${form}: let the version that wrote it ingest once more, or upgrade the pgvantage package`,
      { code: 'JOURNAL_FORM' },
    )
  }
  const part = new WindowPart(dataset, window, counted)
  for (const [at, resource] of packed.resources.slice(0, packed.reporting).entries()) {
    const [records, clock] = packed.reported[at]!
    part.resources.set(resource.urn, resource)
    part.reported.set(resource.urn, { records, clock })
  }
  const origins = packed.places.map(([objectBucket, objectKey]): SourceObject => ({ objectBucket, objectKey }))
  for (const [at, [, , first, last]] of packed.places.entries()) {
    part.locators.add(dataset, origins[at]!, first)
    part.locators.add(dataset, origins[at]!, last)
  }
  const { resources, spans, series = [], patterns = [], values = [] } = packed
  const valuesOf = spanValues(spans)
  for (const [at, key] of spans?.key.entries() ?? []) {
    const { causes, kind, resource, names, start, duration, flags, place } = spans!
    const [named, flag] = [names[at]!, flags[at]!]
    part.spans.push({
      key,
      causes: causes[at]!,
      kind: kind[at]!,
      resource: resources[resource[at]!]!,
      names: named === null ? null : resources[named]!,
      connecting: (flag & 2) !== 0,
      start: start[at]!,
      duration: duration[at]!,
      failed: (flag & 1) !== 0,
      values: valuesOf.get(at) ?? [],
      origin: origins[place[at]!]!,
      counted,
    })
  }
  for (const { series: given, minute, time, start, value } of series) {
    const points = time.map((at, index) => ({
      minute: minute[index]!,
      time: at,
      start: start[index]!,
      value: unpackedValue(value[index]!),
      counted,
    }))
    part.metrics.addSeries({ ...given, resource: resources[given.resource]!.urn }, points)
  }
  for (const { resource, sample, types, parameters, ...tally } of patterns) {
    const [message, time, place] = sample
    part.patterns.merge({
      ...tally,
      resource: resources[resource]!.urn,
      sample: { message, time, origin: origins[place]! },
      types: new Map(types),
      ...(parameters !== undefined && { parameters: new Map(parameters.map(([place, values]) => [place, new Map(values)])) }),
    })
  }
  for (const { resource, dimension, items } of values) {
    const counts = items.map(([item, total, errors]) => [item, { total, errors }] as const)
    part.values.merge({ resource: resources[resource]!.urn, dimension, items: new Map(counts) })
  }
  return part
}

function packedSpans(
  spans: readonly SpanRecord[],
  resources: Numbered<TelemetryResource>,
  namedAt: (urn: string) => number,
  placeOf: (origin: SourceObject) => number,
): NonNullable<Packed['spans']> {
  return {
    key: spans.map(({ key }) => key),
    causes: spans.map(({ causes }) => [...causes]),
    kind: spans.map(({ kind }) => kind),
    resource: spans.map(({ resource }) => resources.numberOf(resource.urn)),
    names: spans.map(({ names }) => (names === null ? null : namedAt(names.urn))),
    start: spans.map(({ start }) => start),
    duration: spans.map(({ duration }) => duration),
    flags: spans.map(({ failed, connecting }) => (failed ? 1 : 0) + (connecting ? 2 : 0)),
    place: spans.map(({ origin }) => placeOf(origin)),
    values: packedValues(spans),
  }
}

/** The values of spans, by dimension: the same values occur many times. */
function packedValues(spans: readonly SpanRecord[]): NonNullable<NonNullable<Packed['spans']>['values']> {
  const dimensions = new Map<string, { items: Numbered<string>; span: number[]; item: number[] }>()
  for (const [at, { values }] of spans.entries()) {
    for (const { dimension, item } of values) {
      let known = dimensions.get(dimension)
      if (known === undefined) dimensions.set(dimension, (known = { items: new Numbered<string>((text) => text), span: [], item: [] }))
      known.span.push(at)
      known.item.push(known.items.of(item))
    }
  }
  return [...dimensions].map(([dimension, { items, span, item }]) => ({ dimension, items: items.list, span, item }))
}

/** The values by the span's index in the list. */
function spanValues(spans: Packed['spans']): Map<number, DimensionValue[]> {
  const found = new Map<number, DimensionValue[]>()
  for (const { dimension, items, span, item } of spans?.values ?? []) {
    const values = items.map((text): DimensionValue => ({ dimension, item: text }))
    for (const [index, at] of span.entries()) {
      const value = values[item[index]!]!
      const known = found.get(at)
      if (known === undefined) found.set(at, [value])
      else known.push(value)
    }
  }
  return found
}

const placeKey = ({ objectBucket, objectKey }: SourceObject) => `${objectBucket}\0${objectKey}`

/** A list in which each item has a number, found by its key. */
class Numbered<T> {
  readonly list: T[] = []
  readonly #keyOf: (item: T) => string
  readonly #numbers = new Map<string, number>()

  constructor(keyOf: (item: T) => string) {
    this.#keyOf = keyOf
  }

  of(item: T): number {
    const key = this.#keyOf(item)
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.list.push(item) - 1
      this.#numbers.set(key, number)
    }
    return number
  }

  numberOf(key: string): number {
    return this.#numbers.get(key)!
  }
}
