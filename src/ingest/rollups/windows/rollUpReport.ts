/** What `rollUp` has read, and what became of all that did not go into the rows as it was. */
export interface RollUpReport {
  /** Export requests read. */
  requests: number
  spans: number
  logRecords: number
  metricPoints: number
  /**
   * Requests whose bytes had been met before in the open windows: their records are not counted
   * above.
   */
  duplicateRequests: number
  /** Spans, and metric points of one series and time, met before in the open windows. */
  duplicateRecords: number
  /** Records of a window that had closed before they came. */
  lateRecords: number
  /** Records more than a day ahead of everything else: a broken clock. */
  futureRecords: number
  /** Records without a time. */
  untimedRecords: number
  /** Spans without a trace or span id; they are rolled up, and nobody's callee or caller. */
  spansWithoutId: number
  /** Spans that end before they start. */
  negativeSpans: number
  /**
   * Metric points of no use: no value, NaN or infinite (also as a rate or a running total), flagged
   * "no recorded value", buckets that contradict their bounds.
   */
  unusablePoints: number
  /**
   * Points that only set the baseline of a cumulative series, or whose interval is not known: there
   * is nothing to subtract from yet.
   */
  baselinePoints: number
  /** Points of a metric that has, in the same minute, resource and labels, another kind or unit. */
  conflictingPoints: number
  /** Points without a unit; they are rolled up, with a null unit. */
  pointsWithoutUnit: number
  /** Records whose resource names no service; they are rolled up, under `unknown_service`. */
  recordsWithoutService: number
  /** Client and producer spans without a callee's span that do not name one either: of no call. */
  unjoinedClients: number
  /**
   * Server and consumer spans whose caller's span never came: calls from `urn:external:unknown`.
   */
  orphanServers: number
  /**
   * Server and consumer spans that came after their caller's window had closed: their call was
   * counted without them.
   */
  lateServers: number
  /**
   * Calls whose callee starts before its caller did: the clocks differ. The caller's clock counts.
   */
  skewedCalls: number
  /**
   * Records refused, by reason: a field that is wrong (`logRecords.timeUnixNano must be a whole
   * number of nanoseconds`), or a name that is too long to be stored.
   */
  refused: Record<string, number>
  /** Windows that came out. */
  windows: number
}

/** A report of nothing yet. Give it to `rollUp` and watch it fill. */
export function emptyReport(): RollUpReport {
  return {
    requests: 0,
    spans: 0,
    logRecords: 0,
    metricPoints: 0,
    duplicateRequests: 0,
    duplicateRecords: 0,
    lateRecords: 0,
    futureRecords: 0,
    untimedRecords: 0,
    spansWithoutId: 0,
    negativeSpans: 0,
    unusablePoints: 0,
    baselinePoints: 0,
    conflictingPoints: 0,
    pointsWithoutUnit: 0,
    recordsWithoutService: 0,
    unjoinedClients: 0,
    orphanServers: 0,
    lateServers: 0,
    skewedCalls: 0,
    refused: {},
    windows: 0,
  }
}
