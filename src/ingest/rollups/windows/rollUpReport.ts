import type { Dataset } from './locatorTally.ts'

/**
 * What happened to the records of one kind: `read` is the sum of all others.
 *
 * | | |
 * |---|---|
 * | `rolledUp` | in the rows |
 * | `waiting` | incomplete: first points of counters, callers without a callee that name no callee; or their window has not been rolled up yet |
 * | `duplicate` | read before |
 * | `late` | their window had closed |
 * | `refused` | the other counters and `refused` say why |
 */
export interface Fates {
  read: number
  rolledUp: number
  waiting: number
  duplicate: number
  late: number
  refused: number
}

/** The kinds of span that are one side of a call. */
export type PairedKind = 'client' | 'producer' | 'server' | 'consumer'

/** What `rollUp` has read, and what happened to the records that are not in the rows unchanged. */
export interface RollUpReport {
  /** Export requests read. */
  requests: number
  spans: number
  logRecords: number
  metricPoints: number
  /**
   * Requests with the same bytes as an earlier one, while the windows of their records are open;
   * their records are not counted above.
   */
  duplicateRequests: number
  /** Spans, and metric points of one series and time, that were read before. */
  duplicateRecords: number
  /** Records of a window that had closed before they arrived. */
  lateRecords: number
  /** Late records by the URN of the reporting resource, and by kind. */
  late: Record<string, Record<Dataset, number>>
  /** Records more than a day ahead of our clock and the database's: from a wrong clock. */
  futureRecords: number
  /** Records older than the retention of their table, by kind. */
  tooOld: Record<Dataset, number>
  /** Records without a time. */
  untimedRecords: number
  /**
   * Spans without a trace or span id. They are rolled up, but cannot be joined with a caller or
   * callee.
   */
  spansWithoutId: number
  /** Spans that end before they start. */
  negativeSpans: number
  /**
   * Metric points that cannot be used: no value, NaN or infinite (also as a rate or a running
   * total), flagged "no recorded value", buckets that contradict their bounds.
   */
  unusablePoints: number
  /**
   * Points that only set the baseline of a cumulative series, or whose interval is not known: there
   * is no earlier point to subtract.
   */
  baselinePoints: number
  /** Points of a metric that has another kind or unit in the same minute, resource and labels. */
  conflictingPoints: number
  /** Points without a unit; they are rolled up, with a null unit. */
  pointsWithoutUnit: number
  /** Records whose resource names no service; they are rolled up, under `unknown_service`. */
  recordsWithoutService: number
  /**
   * Spans whose other side never arrived, by kind. The clients and producers among them also name
   * no callee: they are part of no call. The caller of the servers and consumers is
   * `urn:external:unknown`.
   */
  unpaired: Record<PairedKind, number>
  /**
   * Calls whose callee starts before its caller: their clocks differ. The caller's clock counts.
   */
  skewedCalls: number
  /**
   * Records refused, by reason: a field that is wrong (`logRecords.timeUnixNano must be a whole
   * number of nanoseconds`), or a name that is too long to be stored.
   */
  refused: Record<string, number>
  /** The number of values of each counted dimension. */
  values: Record<string, number>
  /** What happened to all records, by kind. */
  records: Record<Dataset, Fates>
  /** Windows that were yielded. */
  windows: number
}

/** An empty report. Pass it to `rollUp`, which fills it. */
export function emptyReport(): RollUpReport {
  return {
    requests: 0,
    spans: 0,
    logRecords: 0,
    metricPoints: 0,
    duplicateRequests: 0,
    duplicateRecords: 0,
    lateRecords: 0,
    late: {},
    futureRecords: 0,
    tooOld: { traces: 0, metrics: 0, logs: 0 },
    untimedRecords: 0,
    spansWithoutId: 0,
    negativeSpans: 0,
    unusablePoints: 0,
    baselinePoints: 0,
    conflictingPoints: 0,
    pointsWithoutUnit: 0,
    recordsWithoutService: 0,
    unpaired: { client: 0, producer: 0, server: 0, consumer: 0 },
    skewedCalls: 0,
    refused: {},
    // Without a prototype: a dimension may be called __proto__.
    values: Object.create(null),
    records: { traces: noFates(), metrics: noFates(), logs: noFates() },
    windows: 0,
  }
}

const noFates = (): Fates => ({ read: 0, rolledUp: 0, waiting: 0, duplicate: 0, late: 0, refused: 0 })

/** Adds the counts of one report to another. */
export function addReport(report: RollUpReport, other: RollUpReport): void {
  addCounts(report, other)
}

/** Counts, and groups of counts by name. */
function addCounts(counts: object, other: object): void {
  for (const [name, value] of Object.entries(other) as [string, number | object][]) {
    const known: unknown = Reflect.get(counts, name)
    if (typeof value === 'number') Reflect.set(counts, name, (typeof known === 'number' ? known : 0) + value)
    else if (typeof known === 'object' && known !== null) addCounts(known, value)
    else Reflect.set(counts, name, structuredClone(value))
  }
}
