import { milliseconds } from '../../database/range.ts'
import { storable } from '../../logs/pattern.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import type { OtlpPayload } from '../../schema/otlp.ts'
import { rollUpCalls, SpanJoin } from './callRollup.ts'
import { LocatorTally, type Dataset } from './locatorTally.ts'
import { formOf, maxMetricName, MetricMemory, MetricTally, pointsOf } from './metricRollup.ts'
import type { OtlpRequest, SourceObject } from '../sources/otlpRequest.ts'
import { PatternTally } from './patternRollup.ts'
import { mergeResources, reportingResource, type ReportingResource } from '../records/resourceOf.ts'
import { emptyReport, type RollupReport } from './rollupReport.ts'
import { minuteMilliseconds, windowMilliseconds, type ResourceInput, type RollupWindow } from './rollupWindow.ts'
import { spanRecord, type SpanRecord } from '../records/spanRecord.ts'
import { extentOf } from './timeExtent.ts'

export interface RollUpOptions {
  /** How long a window waits for records after the newest record has passed its end: a PostgreSQL interval, `'2 minutes'` by default. */
  lateness?: string
  /** Added to every time, in milliseconds: a recording replayed as if it were now. Whole windows (multiples of 300,000) leave the windows as they were. */
  shift?: number
  signal?: AbortSignal
  /** Filled as records are read: hand in `emptyReport()` and look at it at any time. */
  report?: RollupReport
}

/** A record this far ahead of all others has a broken clock. */
const maxLead = 86_400_000
/** So many requests in a row that far ahead are no broken clock but a gap in the data. */
const believedRequests = 8

/**
 * Rolls telemetry up: metrics to one minute, spans to five-minute calls between services, logs to five-minute counts of their patterns. One window
 * for each aligned five minutes that has records, in the order of time.
 *
 * A window closes when a record `lateness` past its end has been read, or at the end. Records of a window that has closed are counted as late and
 * dropped: what was written is never replaced by less. So the order of requests does not matter, as long as no record comes more than `lateness`
 * after a younger one; a span's time is its start, so a call that takes longer than `lateness` can be late.
 *
 * A request whose bytes were read before, a span whose id was read before, and a second point of one series and time count once. One broken clock
 * does not close windows for everybody: a record more than a day ahead of all others is dropped and counted, unless eight requests in a row are
 * (then there is a gap in the data, and time goes on after it).
 *
 * What the three roll-ups mean in detail stands at `SpanJoin`, `CumulativeSeries`, `recordDistribution` and `patternOf`. Kept in memory are the open
 * windows, the last points of cumulative series, and nothing else.
 *
 * @example
 * const report = emptyReport()
 * for await (const window of rollUp(readOtlp('telemetry.jsonl.gz'), { report })) {
 *   console.log(window.from, window.calls.length)
 * }
 * console.log(report.lateRecords)
 *
 * @throws InvalidInputError when an option is wrong; the signal's reason when aborted.
 */
export async function* rollUp(
  requests: AsyncIterable<OtlpRequest> | Iterable<OtlpRequest>,
  { lateness = '2 minutes', shift = 0, signal, report = emptyReport() }: RollUpOptions = {},
): AsyncGenerator<RollupWindow, RollupReport> {
  if (!Number.isSafeInteger(shift)) throw new InvalidInputError('shift', `must be a whole number of milliseconds, got ${preview(shift)}`)
  const state = new Rollup(milliseconds(lateness, 'lateness'), BigInt(shift) * 1_000_000n, report)
  for await (const request of requests) {
    signal?.throwIfAborted()
    for (const admitted of state.admit(request)) {
      state.add(admitted)
      for (const window of state.close()) {
        signal?.throwIfAborted()
        yield window
      }
    }
  }
  for (const admitted of state.admitHeld()) state.add(admitted)
  for (const window of state.close(true)) {
    signal?.throwIfAborted()
    yield window
  }
  return report
}

/** A window that still takes records. */
class OpenWindow {
  readonly metrics = new MetricTally()
  readonly patterns = new PatternTally()
  readonly locators = new LocatorTally()
  readonly resources = new Map<string, ResourceInput>()
  spans: SpanRecord[] = []

  mention(resource: ResourceInput): void {
    const known = this.resources.get(resource.urn)
    if (known !== resource) this.resources.set(resource.urn, known === undefined ? resource : mergeResources(known, resource))
  }
}

class Rollup {
  readonly #lateness: number
  readonly #shift: bigint
  readonly #report: RollupReport
  readonly #windows = new Map<number, OpenWindow>()
  readonly #digests = new Map<string, number>()
  readonly #join = new SpanJoin()
  readonly #memory = new MetricMemory()
  /** The spans of windows that have closed, kept to recognise callees that come late. */
  #settled: { from: number; spans: SpanRecord[] }[] = []
  /** The newest time that was rolled up: what closes windows. */
  #watermark = -Infinity
  /** What time it is about, by the requests that were believed: with the watermark, what a broken clock is measured against. */
  #anchor = -Infinity
  /** Everything before this has been handed out. */
  #closedTo = -Infinity
  /** Requests whose times are not believed yet. */
  #held: OtlpRequest[] = []
  #begun = false

  constructor(lateness: number, shift: bigint, report: RollupReport) {
    this.#lateness = lateness
    this.#shift = shift
    this.#report = report
  }

  /**
   * Decides whether a request's times can be believed, and returns the requests to add now.
   *
   * The first eight are held until their median says what time it is, later ones only when even their earliest record is a day ahead.
   */
  admit(request: OtlpRequest): OtlpRequest[] {
    this.#report.requests += 1
    if (this.#digests.has(request.digest)) {
      this.#report.duplicateRequests += 1
      return []
    }
    const { earliest, latest } = this.#extent(request)
    this.#digests.set(request.digest, latest)
    // Without a single time there is nothing to believe.
    if (earliest === Infinity) return [request]
    if (!this.#begun || earliest > this.#reference + maxLead) {
      this.#held.push(request)
      return this.#held.length < believedRequests ? [] : this.#believe()
    }
    // Time went on without them.
    const broken = this.#held
    this.#held = []
    return [...broken, request]
  }

  /** What is still held at the end: two requests or more that agree are believed, as is everything where nothing else came. */
  admitHeld(): OtlpRequest[] {
    if (this.#held.length > 1 || !this.#begun) return this.#believe()
    const rest = this.#held
    this.#held = []
    return rest
  }

  #believe(): OtlpRequest[] {
    const held = this.#held
    this.#held = []
    const times = held.map((request) => this.#extent(request).earliest).sort((a, b) => a - b)
    this.#anchor = Math.max(this.#anchor, times[Math.floor((times.length - 1) / 2)] ?? -Infinity)
    this.#begun = true
    return held
  }

  get #reference(): number {
    return Math.max(this.#watermark, this.#anchor)
  }

  add({ payload, source, line }: OtlpRequest): void {
    let newest = this.#watermark
    const reference = this.#reference
    /** The window of a time, or undefined when the record cannot be taken. */
    const windowOf = (time: number): OpenWindow | undefined => {
      if (time > reference + maxLead) {
        this.#report.futureRecords += 1
        return undefined
      }
      const from = Math.floor(time / windowMilliseconds) * windowMilliseconds
      if (from < this.#closedTo) {
        this.#report.lateRecords += 1
        return undefined
      }
      newest = Math.max(newest, time)
      let window = this.#windows.get(from)
      if (window === undefined) this.#windows.set(from, (window = new OpenWindow()))
      return window
    }
    this.#addSpans(payload, source, line, windowOf)
    this.#addMetrics(payload, source, line, windowOf)
    this.#addLogs(payload, source, line, windowOf)
    this.#watermark = newest
  }

  /** Hands out the windows that no record can enter any more, in order. */
  *close(all = false): Generator<RollupWindow> {
    const closedTo = all
      ? Infinity
      : Math.max(this.#closedTo, Math.floor((this.#watermark - this.#lateness) / windowMilliseconds) * windowMilliseconds)
    if (!(closedTo > this.#closedTo)) return
    this.#closedTo = closedTo
    for (const [digest, latest] of this.#digests) if (latest < closedTo) this.#digests.delete(digest)
    const froms = [...this.#windows.keys()].filter((from) => from < closedTo).sort((a, b) => a - b)
    for (const from of froms) {
      const window = this.#windows.get(from)!
      this.#windows.delete(from)
      const finished = this.#finish(from, window)
      this.#settled.push({ from, spans: window.spans })
      const oldest = from - windowMilliseconds
      for (const settled of this.#settled) if (settled.from < oldest) this.#join.remove(settled.spans)
      this.#settled = this.#settled.filter((settled) => settled.from >= oldest)
      this.#memory.forget(from)
      this.#report.windows += 1
      yield finished
    }
  }

  #finish(from: number, window: OpenWindow): RollupWindow {
    const { locators, indexOf } = window.locators.locators(from)
    const metrics = window.metrics.rollups(this.#memory, this.#report)
    const patterns = window.patterns.rollups(from, indexOf)
    const calls = this.#join.settle(window.spans, this.#report)
    for (const { src, dst } of calls) {
      window.mention(src)
      window.mention(dst)
    }
    return {
      from: new Date(from),
      to: new Date(from + windowMilliseconds),
      resources: [...window.resources.values()].sort((a, b) => (a.urn < b.urn ? -1 : 1)),
      metrics,
      calls: rollUpCalls(calls, from, indexOf),
      patterns,
      locators,
    }
  }

  #addSpans(payload: OtlpPayload, source: SourceObject, line: number, windowOf: (time: number) => OpenWindow | undefined): void {
    for (const { resource, scopeSpans } of payload.resourceSpans ?? []) {
      const spans = scopeSpans.flatMap((scope) => scope.spans)
      this.#report.spans += spans.length
      const reporter = this.#reporter(resource.attributes, 'traces', spans.length)
      if (reporter === null) continue
      for (const span of spans) {
        const { startTimeUnixNano: start, endTimeUnixNano: end } = span
        if (!start || !end) {
          this.#report.untimedRecords += 1
          continue
        }
        if (end < start) {
          this.#report.negativeSpans += 1
          continue
        }
        const time = this.#milliseconds(start)
        const window = windowOf(time)
        if (window === undefined) continue
        const record = this.#refusing(1, () =>
          spanRecord(span, reporter, { start: this.#precise(start), duration: Number(end - start) / 1e6 }, source),
        )
        if (record === null) continue
        if (!this.#join.add(record)) {
          this.#report.duplicateRecords += 1
          continue
        }
        window.spans.push(record)
        window.mention(reporter.resource)
        window.locators.add('traces', source, line)
      }
    }
  }

  #addMetrics(payload: OtlpPayload, source: SourceObject, line: number, windowOf: (time: number) => OpenWindow | undefined): void {
    for (const { resource, scopeMetrics } of payload.resourceMetrics ?? []) {
      const total = scopeMetrics.reduce(
        (sum, { metrics }) => sum + metrics.reduce((points, metric) => points + pointsOf(metric).length, 0),
        0,
      )
      this.#report.metricPoints += total
      const reporter = this.#reporter(resource.attributes, 'metrics', total)
      if (reporter === null) continue
      for (const { scope, metrics } of scopeMetrics) {
        const identity = JSON.stringify([reporter.identity, scope?.name ?? '', scope?.version ?? ''])
        for (const metric of metrics) {
          const form = formOf(metric)
          if (form === null) {
            this.#report.unusablePoints += pointsOf(metric).length
            continue
          }
          // As it will be stored: what stands for a NUL is longer than the NUL.
          if (metric.name === '' || Buffer.byteLength(storable(metric.name)) > maxMetricName) {
            const problem = metric.name === '' ? 'metric name is empty' : `metric name is longer than ${maxMetricName} bytes`
            this.#refuse(problem, form.points.length)
            continue
          }
          for (const point of form.points) {
            if (!point.timeUnixNano) {
              this.#report.untimedRecords += 1
              continue
            }
            const time = this.#milliseconds(point.timeUnixNano)
            const window = windowOf(time)
            if (window === undefined) continue
            const times = {
              minute: Math.floor(time / minuteMilliseconds),
              time: this.#precise(point.timeUnixNano),
              start: point.startTimeUnixNano ? this.#precise(point.startTimeUnixNano) : 0,
            }
            if (!window.metrics.add(metric, form.kind, form.form, { urn: reporter.resource.urn, identity }, point, times)) {
              this.#report.unusablePoints += 1
              continue
            }
            if (!metric.unit) this.#report.pointsWithoutUnit += 1
            window.mention(reporter.resource)
            window.locators.add('metrics', source, line)
          }
        }
      }
    }
  }

  #addLogs(payload: OtlpPayload, source: SourceObject, line: number, windowOf: (time: number) => OpenWindow | undefined): void {
    for (const { resource, scopeLogs } of payload.resourceLogs ?? []) {
      const records = scopeLogs.flatMap((scope) => scope.logRecords)
      this.#report.logRecords += records.length
      const reporter = this.#reporter(resource.attributes, 'logs', records.length)
      if (reporter === null) continue
      for (const record of records) {
        const nanoseconds = record.timeUnixNano || record.observedTimeUnixNano
        if (!nanoseconds) {
          this.#report.untimedRecords += 1
          continue
        }
        const time = this.#milliseconds(nanoseconds)
        const window = windowOf(time)
        if (window === undefined) continue
        window.patterns.add(reporter.resource.urn, record, time, source)
        window.mention(reporter.resource)
        window.locators.add('logs', source, line)
      }
    }
  }

  #reporter(attributes: OtlpAttributes, dataset: Dataset, records: number): ReportingResource | null {
    const reporter = this.#refusing(records, () => reportingResource(attributes, dataset))
    if (reporter?.nameless) this.#report.recordsWithoutService += records
    return reporter
  }

  /** What `read` returns, or null, with `records` counted as refused, when it finds a name that cannot be stored. */
  #refusing<T>(records: number, read: () => T): T | null {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error
      this.#refuse(`${error.field} is too long`, records)
      return null
    }
  }

  #refuse(problem: string, records: number): void {
    this.#report.refused[problem] = (this.#report.refused[problem] ?? 0) + records
  }

  /** Whole milliseconds, rounded down: what decides on windows and minutes. */
  #milliseconds(nanoseconds: bigint): number {
    return Number((nanoseconds + this.#shift) / 1_000_000n)
  }

  /** Milliseconds with their fraction, to a quarter of a microsecond. */
  #precise(nanoseconds: bigint): number {
    const shifted = nanoseconds + this.#shift
    return Number(shifted / 1_000_000n) + Number(shifted % 1_000_000n) / 1e6
  }

  /** The times between which a request's records lie; from Infinity to -Infinity when it has none. */
  #extent({ payload }: OtlpRequest): { earliest: number; latest: number } {
    const extent = extentOf(payload)
    if (extent === undefined) return { earliest: Infinity, latest: -Infinity }
    return { earliest: this.#milliseconds(extent.earliest), latest: this.#milliseconds(extent.latest) }
  }
}

type OtlpAttributes = NonNullable<OtlpPayload['resourceSpans']>[number]['resource']['attributes']
