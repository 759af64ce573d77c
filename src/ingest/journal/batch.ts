import type { KeyValue } from '../../schema/otlpValues.ts'
import type { DimensionValues } from '../records/dimensionValues.ts'
import type { MessageOptions } from '../records/logMessage.ts'
import type { ReportingResource } from '../records/reportingResource.ts'
import type { ResourceOf } from '../records/resourceOf.ts'
import type { SourceObject, OtlpRequest } from '../sources/otlpRequest.ts'
import { windowMilliseconds } from '../rollups/windows/ingestWindow.ts'
import { datasets, type Dataset } from '../rollups/windows/locatorTally.ts'
import { emptyReport, type RollUpReport } from '../rollups/windows/rollUpReport.ts'
import { recordCounts, recordsOf, type RecordCounts } from './recordsOf.ts'
import { readLogs } from './readLogs.ts'
import { readPoints } from './readPoints.ts'
import { readSpans } from './readSpans.ts'
import { readOrRefuse, refuse } from './refused.ts'
import { Reporters } from './reporters.ts'
import type { TelemetryClock } from './telemetryClock.ts'
import { WindowPart } from './windowPart.ts'

/** One request whose records are added to the parts of a batch. */
export interface Arrival {
  readonly report: RollUpReport
  readonly clock: TelemetryClock
  /** Milliseconds: a longer call counts when it ends. */
  readonly horizon: number
  readonly resourceOf: ResourceOf | undefined
  /** Which values of the records are counted. */
  readonly dimensions: DimensionValues
  /** How the bodies of log records are read. */
  readonly messages: MessageOptions | undefined
  readonly origin: SourceObject
  /** The line in the source object, from 1. */
  readonly line: number
  /**
   * The resource that reports this number of records. Null if its name cannot be stored; the
   * records are then counted as refused.
   */
  reporterOf(attributes: readonly KeyValue[], dataset: Dataset, records: number): ReportingResource | null
  /**
   * The part of a resource's record at a time in milliseconds. Undefined if the record cannot be
   * accepted; it is then counted.
   */
  partOf(dataset: Dataset, resource: string, time: number): WindowPart | undefined
}

/** How a batch is read. */
export interface BatchRules {
  readonly clock: TelemetryClock
  /** Milliseconds. */
  readonly horizon: number
  /** Names resources where the default rules do not fit. */
  readonly resourceOf?: ResourceOf | undefined
  /** Which values of the records are counted. */
  readonly dimensions: DimensionValues
  /** How the bodies of log records are read; undefined for the usual way. */
  readonly messages?: MessageOptions | undefined
  /** Records later than this come from a wrong clock. */
  readonly latest: number
  /** The oldest time that each table keeps; a dataset without an entry keeps everything. */
  readonly oldest: ReadonlyMap<Dataset, number>
}

/** What the journal already has of the records of a batch. */
export interface Known {
  /** The digests of earlier requests. */
  readonly requests: { has(digest: string): boolean }
  /** Whether the window of a resource has closed. */
  isClosed(dataset: Dataset, resource: string, window: number): boolean
}

const nothingKnown: Known = { requests: new Set(), isClosed: () => false }

/**
 * Several requests, read into compact records by window and dataset, with counts of all other
 * records.
 */
export class Batch {
  readonly #report = emptyReport()
  /** The reporting resources: the same objects if the requests are read again. */
  readonly reporters: Reporters
  readonly #rules: BatchRules
  readonly #known: Known
  readonly #parts = new Map<string, WindowPart>()
  readonly #digests = new Set<string>()
  /** The part of the latest record: that of most next ones. */
  #latest: { resource: string; part: WindowPart } | undefined

  constructor(
    requests: readonly OtlpRequest[],
    rules: BatchRules,
    known: Known = nothingKnown,
    reporters: Reporters = new Reporters(rules.resourceOf),
  ) {
    this.reporters = reporters
    this.#rules = rules
    this.#known = known
    this.add(requests)
  }

  /** Adds requests, which are not needed afterwards. */
  add(requests: readonly OtlpRequest[]): void {
    for (const request of requests) this.#add(request)
  }

  /** The counts of all records so far. */
  get report(): RollUpReport {
    this.#settle()
    return this.#report
  }

  /** How many records it has in its parts. */
  get records(): number {
    return datasets.reduce((sum, dataset) => sum + this.report.records[dataset].waiting, 0)
  }

  /** In the order of time. */
  get parts(): WindowPart[] {
    // A part may have received no record in the end.
    return [...this.#parts.values()].filter(({ reported }) => reported.size > 0).sort((a, b) => a.window - b.window)
  }

  /** Counts a request that was read before. */
  addRepeated(records: RecordCounts): void {
    const report = this.#report
    report.requests += 1
    report.duplicateRequests += 1
    for (const dataset of datasets) {
      report.records[dataset].read += records[dataset]
      report.records[dataset].duplicate += records[dataset]
    }
  }

  #add(request: OtlpRequest): void {
    if (this.#digests.has(request.digest) || this.#known.requests.has(request.digest)) return this.addRepeated(recordCounts(request))
    const report = this.#report
    report.requests += 1
    this.#digests.add(request.digest)
    for (const { kind, records, reason } of request.refusedRecords) {
      report[kind] += records
      report.records[datasetOf[kind]].read += records
      report.records[datasetOf[kind]].refused += records
      refuse(report, reason, records)
    }
    const { origin, line, payload } = request
    const { clock, horizon, resourceOf, dimensions, messages } = this.#rules
    const partOf: Arrival['partOf'] = (dataset, resource, time) => {
      const part = this.#partOf(dataset, resource, time)
      part?.requests.add(request.digest)
      return part
    }
    const reporterOf: Arrival['reporterOf'] = (attributes, dataset, records) => {
      const reporter = readOrRefuse(report, records, () => this.reporters.of(attributes, dataset))
      if (reporter?.nameless) report.recordsWithoutService += records
      return reporter
    }
    const arrival: Arrival = { report, clock, horizon, resourceOf, dimensions, messages, origin, line, reporterOf, partOf }
    for (const dataset of datasets) report.records[dataset].read += recordsOf(payload, dataset)
    readSpans(payload.resourceSpans, arrival)
    readPoints(payload.resourceMetrics, arrival)
    readLogs(payload.resourceLogs, arrival)
  }

  /** Records that were read and are in no part are late or refused. */
  #settle(): void {
    const taken = { traces: 0, metrics: 0, logs: 0 }
    for (const part of this.parts) taken[part.dataset] += part.records
    for (const dataset of datasets) {
      const fates = this.#report.records[dataset]
      fates.waiting = taken[dataset]
      fates.refused = fates.read - fates.waiting - fates.duplicate - fates.late
    }
  }

  #partOf(dataset: Dataset, resource: string, time: number): WindowPart | undefined {
    const report = this.#report
    if (time > this.#rules.latest) {
      report.futureRecords += 1
      return undefined
    }
    const window = Math.floor(time / windowMilliseconds) * windowMilliseconds
    const latest = this.#latest
    if (latest?.resource === resource && latest.part.window === window && latest.part.dataset === dataset) return latest.part
    if (window < (this.#rules.oldest.get(dataset) ?? -Infinity)) {
      report.tooOld[dataset] += 1
      return undefined
    }
    if (this.#known.isClosed(dataset, resource, window)) {
      report.lateRecords += 1
      report.records[dataset].late += 1
      const late = (report.late[resource] ??= { traces: 0, metrics: 0, logs: 0 })
      late[dataset] += 1
      return undefined
    }
    const key = `${dataset} ${window}`
    let part = this.#parts.get(key)
    if (part === undefined) this.#parts.set(key, (part = new WindowPart(dataset, window)))
    this.#latest = { resource, part }
    return part
  }
}

const datasetOf = { spans: 'traces', metricPoints: 'metrics', logRecords: 'logs' } as const
