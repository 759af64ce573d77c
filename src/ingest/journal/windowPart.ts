import { mergeResources, type TelemetryResource } from '../records/telemetryResource.ts'
import type { SpanRecord } from '../records/spanRecord.ts'
import { MetricTally } from '../rollups/metrics/metricTally.ts'
import { PatternTally } from '../rollups/patterns/patternTally.ts'
import { ValueTally } from '../rollups/sketches/valueTally.ts'
import { LocatorTally, type Dataset } from '../rollups/windows/locatorTally.ts'

/** What one resource reported in a part. */
export interface Reported {
  records: number
  /** The latest time of its records, in milliseconds: of a span its end. */
  clock: number
}

/**
 * What one batch has in one window of one dataset, as compact records: what a row of the journal
 * holds.
 */
export class WindowPart {
  readonly dataset: Dataset
  /** The window's start, in milliseconds. */
  readonly window: number
  readonly locators = new LocatorTally()
  /** By their URNs: those that report. */
  readonly resources = new Map<string, TelemetryResource>()
  /** By the URNs of those who reported. */
  readonly reported = new Map<string, Reported>()
  /** The digests of the requests it is from. */
  readonly requests = new Set<string>()
  readonly spans: SpanRecord[] = []
  readonly metrics = new MetricTally()
  readonly patterns = new PatternTally()
  /** Of log records; of spans each has its own. */
  readonly values = new ValueTally()

  /** Whether the report of this run counts it: not what another run has read. */
  readonly counted: boolean

  readonly #mentioned = new Set<TelemetryResource>()

  constructor(dataset: Dataset, window: number, counted = true) {
    this.dataset = dataset
    this.window = window
    this.counted = counted
  }

  /** Notes a record of a resource. */
  report(resource: TelemetryResource, clock: number): void {
    const reported = this.reported.get(resource.urn)
    if (reported === undefined) this.reported.set(resource.urn, { records: 1, clock })
    else {
      reported.records += 1
      reported.clock = Math.max(reported.clock, clock)
    }
    // One object stands for all records of a resource in a request.
    if (this.#mentioned.has(resource)) return
    this.#mentioned.add(resource)
    mention(this.resources, resource)
  }

  get records(): number {
    return [...this.reported.values()].reduce((sum, { records }) => sum + records, 0)
  }
}

/** Adds what is known of a resource to what others have said of it. */
export function mention(resources: Map<string, TelemetryResource>, resource: TelemetryResource): void {
  const known = resources.get(resource.urn)
  if (known !== resource) resources.set(resource.urn, known === undefined ? resource : mergeResources(known, resource))
}
