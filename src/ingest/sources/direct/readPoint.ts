import type { OtlpExponentialPoint, OtlpHistogramPoint, OtlpNumberPoint, OtlpSummaryPoint } from '../../../schema/otlp.ts'
import { buckets, exponentialPoint, histogramPoint, numberPoint, quantile, summaryPoint } from '../protobuf/otlpMessages.ts'
import { ByteTable } from './byteTable.ts'
import { addItems, fault, type Fields } from './fields.ts'
import { noAttributes, readKnownAttributes } from './readAttributes.ts'

export function readNumberPoint(fields: Fields): OtlpNumberPoint {
  const read: OtlpNumberPoint = {
    attributes: noAttributes,
    startTimeUnixNano: undefined,
    timeUnixNano: undefined,
    flags: undefined,
    asDouble: undefined,
    asInt: undefined,
  }
  const outer = fields.enter()
  for (let field = fields.next(numberPoint); field !== undefined; field = fields.next(numberPoint)) {
    if (field === 'attributes') read.attributes = readKnownAttributes(fields, read.attributes)
    else if (field === 'startTimeUnixNano') read.startTimeUnixNano = fields.nanoseconds()
    else if (field === 'timeUnixNano') read.timeUnixNano = fields.nanoseconds()
    else if (field === 'asDouble') read.asDouble = fields.double()
    else if (field === 'asInt') read.asInt = fields.integer()
    else read.flags = fields.integer()
  }
  fields.leave(outer)
  return read
}

const distribution = {
  attributes: noAttributes,
  startTimeUnixNano: undefined,
  timeUnixNano: undefined,
  flags: undefined,
  count: undefined,
  sum: undefined,
  min: undefined,
  max: undefined,
}

export function readHistogramPoint(fields: Fields): OtlpHistogramPoint {
  const read: OtlpHistogramPoint = { ...distribution, bucketCounts: [], explicitBounds: [] }
  const outer = fields.enter()
  for (let field = fields.next(histogramPoint); field !== undefined; field = fields.next(histogramPoint)) {
    if (field === 'bucketCounts') fields.counts(read.bucketCounts)
    else if (field === 'explicitBounds') read.explicitBounds = readBounds(fields, read.explicitBounds)
    else readDistributionField(fields, field, read)
  }
  fields.leave(outer)
  return read
}

/** The bounds of histograms, the same for all points of a metric. */
const knownBounds = new ByteTable<number[]>(1024, 2048)

function readBounds(fields: Fields, earlier: readonly number[]): number[] {
  // In protobuf a list may be in several places.
  if (earlier.length > 0) throw fault
  const { bytes, position: from, listKind } = fields
  const guess = knownBounds.guess(bytes, from, listKind)
  if (guess !== undefined && fields.isListEnd(from + guess.key.length)) {
    fields.position = from + guess.key.length
    return guess.value
  }
  const bounds: number[] = []
  fields.doubles(bounds)
  const end = fields.position
  const known = knownBounds.get(bytes, from, end, listKind)
  if (known !== undefined) return known
  if (knownBounds.add(bytes, from, end, bounds, listKind)) Object.freeze(bounds)
  return bounds
}

export function readExponentialPoint(fields: Fields): OtlpExponentialPoint {
  const read: OtlpExponentialPoint = {
    ...distribution,
    scale: undefined,
    zeroCount: undefined,
    positive: undefined,
    negative: undefined,
  }
  const outer = fields.enter()
  for (let field = fields.next(exponentialPoint); field !== undefined; field = fields.next(exponentialPoint)) {
    if (field === 'scale') read.scale = fields.integer()
    else if (field === 'zeroCount') read.zeroCount = fields.count()
    else if (field === 'positive') read.positive = readBuckets(fields)
    else if (field === 'negative') read.negative = readBuckets(fields)
    else readDistributionField(fields, field, read)
  }
  fields.leave(outer)
  return read
}

function readDistributionField(fields: Fields, field: string, read: OtlpHistogramPoint | OtlpExponentialPoint): void {
  if (field === 'attributes') read.attributes = readKnownAttributes(fields, read.attributes)
  else if (field === 'startTimeUnixNano') read.startTimeUnixNano = fields.nanoseconds()
  else if (field === 'timeUnixNano') read.timeUnixNano = fields.nanoseconds()
  else if (field === 'count') read.count = fields.count()
  else if (field === 'sum') read.sum = fields.double()
  else if (field === 'min') read.min = fields.double()
  else if (field === 'max') read.max = fields.double()
  else if (field === 'flags') read.flags = fields.integer()
  else fields.skip()
}

function readBuckets(fields: Fields): NonNullable<OtlpExponentialPoint['positive']> {
  const read: OtlpExponentialPoint['positive'] = { offset: undefined, bucketCounts: [] }
  const outer = fields.enter()
  for (let field = fields.next(buckets); field !== undefined; field = fields.next(buckets)) {
    if (field === 'offset') read.offset = fields.integer()
    else fields.counts(read.bucketCounts)
  }
  fields.leave(outer)
  return read
}

export function readSummaryPoint(fields: Fields): OtlpSummaryPoint {
  const read: OtlpSummaryPoint = {
    attributes: noAttributes,
    startTimeUnixNano: undefined,
    timeUnixNano: undefined,
    flags: undefined,
    count: undefined,
    sum: undefined,
    quantileValues: [],
  }
  const outer = fields.enter()
  for (let field = fields.next(summaryPoint); field !== undefined; field = fields.next(summaryPoint)) {
    if (field === 'attributes') read.attributes = readKnownAttributes(fields, read.attributes)
    else if (field === 'startTimeUnixNano') read.startTimeUnixNano = fields.nanoseconds()
    else if (field === 'timeUnixNano') read.timeUnixNano = fields.nanoseconds()
    else if (field === 'count') read.count = fields.count()
    else if (field === 'sum') read.sum = fields.double()
    else if (field === 'quantileValues') addItems(fields, read.quantileValues, readQuantile)
    else read.flags = fields.integer()
  }
  fields.leave(outer)
  return read
}

function readQuantile(fields: Fields): OtlpSummaryPoint['quantileValues'][number] {
  const read: OtlpSummaryPoint['quantileValues'][number] = { quantile: undefined, value: undefined }
  const outer = fields.enter()
  for (let field = fields.next(quantile); field !== undefined; field = fields.next(quantile)) {
    if (field === 'quantile') read.quantile = fields.double()
    else read.value = fields.double()
  }
  fields.leave(outer)
  return read
}
