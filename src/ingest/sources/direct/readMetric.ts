import type { OtlpMetric } from '../../../schema/otlp.ts'
import { readTemporality } from '../../../schema/otlpValues.ts'
import { exponentialHistogram, gauge, histogram, metric, sum, summary, type MessageType } from '../protobuf/otlpMessages.ts'
import { addItems, type Fields } from './fields.ts'
import { readExponentialPoint, readHistogramPoint, readNumberPoint, readSummaryPoint } from './readPoint.ts'

export function readMetric(fields: Fields): OtlpMetric {
  const read: OtlpMetric = {
    name: '',
    unit: undefined,
    gauge: undefined,
    sum: undefined,
    histogram: undefined,
    exponentialHistogram: undefined,
    summary: undefined,
  }
  const outer = fields.enter()
  for (let field = fields.next(metric); field !== undefined; field = fields.next(metric)) {
    if (field === 'name') read.name = fields.knownText()
    else if (field === 'unit') read.unit = fields.knownText()
    else if (field === 'gauge') read.gauge = readGauge(fields)
    else if (field === 'sum') read.sum = readSum(fields)
    else if (field === 'histogram') read.histogram = readHistogram(fields, histogram, readHistogramPoint)
    else if (field === 'exponentialHistogram') {
      read.exponentialHistogram = readHistogram(fields, exponentialHistogram, readExponentialPoint)
    } else if (field === 'summary') read.summary = readSummary(fields)
    else if (field === 'metadata') fields.skip()
    else fields.text()
  }
  fields.leave(outer)
  return read
}

function readGauge(fields: Fields): NonNullable<OtlpMetric['gauge']> {
  const read: OtlpMetric['gauge'] = { dataPoints: [] }
  const outer = fields.enter()
  while (fields.next(gauge) !== undefined) addItems(fields, read.dataPoints, readNumberPoint)
  fields.leave(outer)
  return read
}

function readSum(fields: Fields): NonNullable<OtlpMetric['sum']> {
  const read: OtlpMetric['sum'] = { dataPoints: [], aggregationTemporality: undefined, isMonotonic: undefined }
  const outer = fields.enter()
  for (let field = fields.next(sum); field !== undefined; field = fields.next(sum)) {
    if (field === 'dataPoints') addItems(fields, read.dataPoints, readNumberPoint)
    else if (field === 'isMonotonic') read.isMonotonic = fields.boolean()
    else read.aggregationTemporality = fields.enumeration(readTemporality)
  }
  fields.leave(outer)
  return read
}

interface Distributions<Point> {
  dataPoints: Point[]
  aggregationTemporality: number | undefined
}

function readHistogram<Point>(fields: Fields, type: MessageType, readPoint: (fields: Fields) => Point): Distributions<Point> {
  const read: Distributions<Point> = { dataPoints: [], aggregationTemporality: undefined }
  const outer = fields.enter()
  for (let field = fields.next(type); field !== undefined; field = fields.next(type)) {
    if (field === 'dataPoints') addItems(fields, read.dataPoints, readPoint)
    else read.aggregationTemporality = fields.enumeration(readTemporality)
  }
  fields.leave(outer)
  return read
}

function readSummary(fields: Fields): NonNullable<OtlpMetric['summary']> {
  const read: OtlpMetric['summary'] = { dataPoints: [] }
  const outer = fields.enter()
  while (fields.next(summary) !== undefined) addItems(fields, read.dataPoints, readSummaryPoint)
  fields.leave(outer)
  return read
}
