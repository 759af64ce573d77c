import { mergeResources, type TelemetryResource } from '../records/telemetryResource.ts'
import type { SpanRecord } from '../records/spanRecord.ts'
import { MetricTally } from '../rollups/metrics/metricTally.ts'
import { PatternTally } from '../rollups/patterns/patternTally.ts'
import { ValueTally } from '../rollups/sketches/valueTally.ts'
import { LocatorTally, type Dataset } from '../rollups/windows/locatorTally.ts'

/** What one resource reported in a part. */
export interface Reported {
  records: number
  /** The latest time of its records, in milliseconds; for a span its end. */
  clock: number
}

/** The compact records of one batch in one window of one dataset: one row of the journal. */
export class WindowPart {
  readonly dataset: Dataset
  /** The window's start, in milliseconds. */
  readonly window: number
  readonly locators = new LocatorTally()
  /** The reporting resources by URN. */
  readonly resources = new Map<string, TelemetryResource>()
  /** What each resource reported, by URN. */
  readonly reported = new Map<string, Reported>()
  /** The digests of the requests with these records. */
  readonly requests = new Set<string>()
  readonly spans: SpanRecord[] = []
  readonly metrics = new MetricTally()
  readonly patterns = new PatternTally()
  /** The values of log records; each span keeps its own. */
  readonly values = new ValueTally()

  /** Whether the report of this run counts it; false if another run read it. */
  readonly counted: boolean

  readonly #mentioned = new Set<TelemetryResource>()

  constructor(dataset: Dataset, window: number, counted = true) {
    this.dataset = dataset
    this.window = window
    this.counted = counted
  }

  /** Adds a record of a resource. */
  report(resource: TelemetryResource, clock: number): void {
    const reported = this.reported.get(resource.urn)
    if (reported === undefined) this.reported.set(resource.urn, { records: 1, clock })
    else {
      reported.records += 1
      reported.clock = Math.max(reported.clock, clock)
    }
    // All records of a resource in a request share one object.
    if (this.#mentioned.has(resource)) return
    this.#mentioned.add(resource)
    mention(this.resources, resource)
  }

  get records(): number {
    return [...this.reported.values()].reduce((sum, { records }) => sum + records, 0)
  }
}

/** Merges a description of a resource with earlier ones. */
export function mention(resources: Map<string, TelemetryResource>, resource: TelemetryResource): void {
  const known = resources.get(resource.urn)
  if (known !== resource) resources.set(resource.urn, known === undefined ? resource : mergeResources(known, resource))
}
