import { callRows } from '../rollups/calls/callRows.ts'
import { ByEnds } from '../rollups/calls/byEnds.ts'
import { SpanJoin, type CallEnds, type ReportedCall } from '../rollups/calls/spanJoin.ts'
import { MetricMemory, type PackedMemory } from '../rollups/metrics/metricMemory.ts'
import { MetricTally, type MetricKey, type MetricRows } from '../rollups/metrics/metricTally.ts'
import { PatternTally } from '../rollups/patterns/patternTally.ts'
import { ValueTally } from '../rollups/sketches/valueTally.ts'
import {
  windowMilliseconds,
  type CallRow,
  type IngestWindow,
  type MetricRow,
  type PatternRow,
  type SketchKey,
} from '../rollups/windows/ingestWindow.ts'
import { LocatorTally, type LocatorIndex } from '../rollups/windows/locatorTally.ts'
import { emptyReport, type RollUpReport } from '../rollups/windows/rollUpReport.ts'
import type { SpanRecord } from '../records/spanRecord.ts'
import type { TelemetryResource } from '../records/telemetryResource.ts'
import type { Carried, Journal, JournalReader, Rolled, Unrolled } from './journal.ts'
import { mention, type WindowPart } from './windowPart.ts'

/** A window that was rolled up, and the counts that this run's report adds for it. */
export interface RolledWindow {
  window: IngestWindow
  counts: RollUpReport
}

/**
 * Rolls up every window to which the journal has added something, and the windows around it that
 * this may change, in order of time.
 *
 * | new | rolled up again |
 * |---|---|
 * | log records | the window, for the resources that wrote them |
 * | metric points | the window and all later ones of the resource: counters continue from one to the next |
 * | spans | the open windows near it, on both sides: the other side of a call may be there |
 *
 * @param horizon milliseconds.
 */
export async function* rollJournal(
  journal: Journal,
  { horizon, signal }: { horizon: number; signal?: AbortSignal },
): AsyncGenerator<RolledWindow> {
  let attempts = 0
  for (;;) {
    const unrolled = await journal.unrolled()
    if (unrolled.length === 0) return
    const pass = await Pass.over(journal, unrolled, horizon)
    let complete = true
    for (const window of pass.windows) {
      signal?.throwIfAborted()
      const rolled = await pass.roll(window, signal).catch((error: unknown) => {
        if (attempts++ < maxAttempts && journal.isPassing(error)) return 'overtaken' as const
        throw error
      })
      // Another process added points before this window, so the sums so far are incomplete.
      if (rolled === 'overtaken') {
        complete = false
        break
      }
      if (rolled !== null) yield rolled
    }
    if (complete) return
  }
}

/** How often a pass starts again after a conflict with other processes. */
const maxAttempts = 20

class Pass {
  readonly windows: readonly number[]
  readonly #journal: Journal
  readonly #logs: ReadonlyMap<number, ReadonlySet<string>>
  readonly #points: PointPass
  readonly #spans: SpanPass

  static async over(journal: Journal, unrolled: readonly Unrolled[], horizon: number): Promise<Pass> {
    const [logs, since, traces] = [new Map<number, Set<string>>(), new Map<string, number>(), new Set<number>()]
    for (const { dataset, resource, window } of unrolled) {
      if (dataset === 'traces') traces.add(window)
      else if (dataset === 'metrics') since.set(resource, Math.min(since.get(resource) ?? Infinity, window))
      else logs.set(window, (logs.get(window) ?? new Set()).add(resource))
    }
    const reach = joinReach(horizon)
    const near = new Set<number>()
    for (const changed of traces) {
      for (let window = changed - reach; window <= changed + reach; window += windowMilliseconds) near.add(window)
    }
    const withSpans = traces.size === 0 ? [] : (await journal.openForSpans()).filter((window) => near.has(window))
    const withPoints = since.size === 0 ? [] : await journal.windows('metrics')
    const carried = since.size === 0 ? [] : await journal.carried([...since.keys()])
    return new Pass(journal, logs, new PointPass(since, new Set(withPoints), carried), new SpanPass(new Set(withSpans), reach))
  }

  private constructor(journal: Journal, logs: ReadonlyMap<number, ReadonlySet<string>>, points: PointPass, spans: SpanPass) {
    this.#journal = journal
    this.#logs = logs
    this.#points = points
    this.#spans = spans
    this.windows = [...new Set([...logs.keys(), ...points.windows, ...spans.windows])].sort((a, b) => a - b)
  }

  /** Rolls up a window; null if there is nothing to write. */
  async roll(window: number, signal?: AbortSignal): Promise<RolledWindow | 'overtaken' | null> {
    const logs = this.#logs.get(window)
    if (logs === undefined && !this.#points.writes(window) && !this.#spans.windows.has(window)) {
      return (await this.#points.fold(this.#journal, window, emptyReport())) === null ? 'overtaken' : null
    }
    return this.#journal.inTurn(window, async (turn) => {
      if (await this.#points.isOvertaken(turn, window)) return 'overtaken'
      const draft = new Draft(window)
      const rolled: Rolled[] = []
      const points = await this.#points.fold(turn, window, draft.counts)
      if (points === null) return 'overtaken'
      draft.addPoints(points)
      for (const resource of points.resources) {
        rolled.push({ dataset: 'metrics', resource, window, waiting: points.waiting.get(resource) ?? 0 })
      }
      if (logs !== undefined) {
        const parts = await allOf(turn, 'logs', window)
        if (parts === null) return 'overtaken'
        draft.addLogs(parts, logs)
        for (const resource of logs) rolled.push({ dataset: 'logs', resource, window, waiting: 0 })
      }
      if (this.#spans.windows.has(window)) {
        const parts = await this.#spans.move(turn, window)
        if (parts === null) return 'overtaken'
        const open = new Map<string, boolean>()
        const isOpen = (resource: string) => {
          let answer = open.get(resource)
          if (answer === undefined) open.set(resource, (answer = turn.isOpen('traces', resource)))
          return answer
        }
        const waiting = draft.addSpans(parts, this.#spans.join, this.#spans.duplicates(window), isOpen)
        for (const resource of new Set(parts.flatMap(({ reported }) => [...reported.keys()]))) {
          rolled.push({ dataset: 'traces', resource, window, waiting: waiting.get(resource) ?? 0 })
        }
      }
      const made = draft.window()
      await turn.write(made, draft.gone, rolled, signal)
      draft.counts.windows = 1
      return { window: made, counts: draft.counts }
    })
  }
}

/** The parts of a window; null if another process has closed it. */
async function allOf(journal: JournalReader, dataset: 'metrics' | 'logs', window: number): Promise<WindowPart[] | null> {
  const keys = await journal.parts(dataset, window, window)
  const parts = await journal.read(dataset, keys)
  return keys.length === 0 || parts.size < keys.length ? null : [...parts.values()]
}

interface RolledPoints extends MetricRows {
  parts: readonly WindowPart[]
  /** The resources whose rows they are. */
  resources: ReadonlySet<string>
  /** Points that this run's report counts. */
  counted: number
}

/**
 * The metric points of a pass, window by window: what a counter gained depends on the points
 * before.
 */
class PointPass {
  readonly windows: ReadonlySet<number>
  readonly #since: ReadonlyMap<string, number>
  readonly #memories = new Map<string, MetricMemory>()
  readonly #folded = new Set<string>()
  #carried: readonly Carried[]

  /** @param since from when the rows of a resource are computed again. */
  constructor(since: ReadonlyMap<string, number>, windows: ReadonlySet<number>, carried: readonly Carried[]) {
    this.#since = since
    this.windows = windows
    this.#carried = carried
    for (const resource of since.keys()) this.#memories.set(resource, new MetricMemory())
  }

  writes(window: number): boolean {
    return this.windows.has(window) && [...this.#since.values()].some((since) => since <= window)
  }

  /** Whether the journal has points before a window that were not read. */
  async isOvertaken(journal: JournalReader, window: number): Promise<boolean> {
    if (!this.writes(window)) return false
    const before = await journal.parts('metrics', -Infinity, window - 1)
    return before.some(({ id }) => !this.#folded.has(id))
  }

  /** What is remembered of a resource now; undefined if nothing. */
  memory(resource: string): PackedMemory | undefined {
    return this.#memories.get(resource)?.pack()
  }

  /** Continues to a window; null if another process has closed it. */
  async fold(journal: JournalReader, window: number, counts: RollUpReport): Promise<RolledPoints | null> {
    if (!this.windows.has(window)) return { parts: [], resources: new Set(), rows: [], gone: [], waiting: new Map(), counted: 0 }
    for (const { resource, until, memory } of this.#carried) if (until <= window) this.#memories.get(resource)!.restore(memory)
    this.#carried = this.#carried.filter(({ until }) => until > window)
    const keys = await journal.parts('metrics', window, window)
    const read = await journal.read('metrics', keys)
    if (keys.length === 0 || read.size < keys.length) return null
    for (const { id } of keys) this.#folded.add(id)
    const parts = [...read.values()]
    const wanted = (resource: string) => (this.#since.get(resource) ?? Infinity) <= window
    const [tally, others] = [new MetricTally(), new MetricTally()]
    const resources = new Set<string>()
    let counted = 0
    for (const part of parts) {
      for (const { series, points } of part.metrics.series()) {
        if (!this.#memories.has(series.resource)) continue
        if (!wanted(series.resource)) {
          others.addSeries(series, points)
          continue
        }
        tally.addSeries(series, points)
        resources.add(series.resource)
        for (const point of points) if (point.counted) counted += 1
      }
    }
    const memoryOf = (resource: string) => this.#memories.get(resource)!
    others.rows(memoryOf, emptyReport())
    const rolled = tally.rows(memoryOf, counts)
    for (const memory of this.#memories.values()) memory.forget(window)
    return { parts, resources, ...rolled, counted }
  }
}

/** The spans of a pass: those near the window that is being rolled up. */
class SpanPass {
  readonly windows: ReadonlySet<number>
  readonly join = new SpanJoin()
  readonly #reach: number
  readonly #near = new Map<string, WindowPart>()
  readonly #duplicates = new Map<number, number>()
  readonly #told = new Set<SpanRecord>()

  constructor(windows: ReadonlySet<number>, reach: number) {
    this.windows = windows
    this.#reach = reach
  }

  /** How many spans of a window are duplicates, among those that this run's report counts. */
  duplicates(window: number): number {
    return this.#duplicates.get(window) ?? 0
  }

  /** Continues to a window, and returns its parts; null if another process has closed some. */
  async move(journal: JournalReader, window: number): Promise<WindowPart[] | null> {
    for (const [id, part] of this.#near) {
      if (part.window >= window - this.#reach) continue
      for (const span of part.spans) this.join.remove(span)
      this.#near.delete(id)
    }
    const keys = await journal.parts('traces', window - this.#reach, window + this.#reach)
    const missing = keys.filter(({ id }) => !this.#near.has(id))
    const read = await journal.read('traces', missing)
    if (read.size < missing.length) return null
    for (const [id, part] of read) {
      this.#near.set(id, part)
      for (const span of part.spans) this.#add(span, part.window)
    }
    return keys.filter((key) => key.window === window).map(({ id }) => this.#near.get(id)!)
  }

  /** Each span counts at most once as a duplicate, for any number of copies. */
  #add(span: SpanRecord, window: number): void {
    const known = this.join.add(span)
    if (known === undefined) return
    const copy = [span, known].find((one) => one.counted && !this.#told.has(one))
    if (copy === undefined) return
    this.#told.add(copy)
    this.#duplicates.set(window, this.duplicates(window) + 1)
  }
}

/**
 * The greatest distance between the windows of a call's two sides: the horizon plus a window, at
 * most an hour plus a window.
 */
export const joinReach = (horizon: number): number => (Math.min(Math.ceil(horizon / windowMilliseconds), 12) + 1) * windowMilliseconds

/** A window while it is built. */
class Draft {
  readonly counts = emptyReport()
  readonly gone: { calls: CallEnds[]; metrics: MetricKey[]; sketches: SketchKey[] } = { calls: [], metrics: [], sketches: [] }
  readonly #from: number
  readonly #locators = new LocatorTally()
  readonly #resources = new Map<string, TelemetryResource>()
  readonly #values = new ValueTally()
  #metrics: MetricRow[] = []
  #patterns: (indexOf: LocatorIndex) => PatternRow[] = () => []
  #calls: (indexOf: LocatorIndex) => CallRow[] = () => []

  constructor(window: number) {
    this.#from = window
  }

  addPoints({ parts, resources, rows, gone, counted }: RolledPoints): void {
    for (const part of parts) this.#mention(part, (urn) => resources.has(urn))
    this.#metrics = rows
    this.gone.metrics = gone
    const { duplicateRecords: duplicate, baselinePoints: waiting, unusablePoints, conflictingPoints } = this.counts
    const refused = unusablePoints + conflictingPoints
    this.#settle('metrics', { counted, duplicate, waiting, refused })
  }

  addLogs(parts: readonly WindowPart[], wanted: ReadonlySet<string>): void {
    const tally = new PatternTally()
    let counted = 0
    for (const part of parts) {
      this.#mention(part, (urn) => wanted.has(urn))
      if (part.counted) for (const [urn, { records }] of part.reported) if (wanted.has(urn)) counted += records
      for (const one of part.patterns.tallies()) if (wanted.has(one.resource)) tally.merge(one)
      for (const one of part.values.counted()) {
        if (!wanted.has(one.resource)) continue
        this.#values.merge(one)
        if (part.counted)
          this.#countValue(
            one.dimension,
            [...one.items.values()].reduce((sum, { total }) => sum + total, 0),
          )
      }
    }
    this.#patterns = (indexOf) => tally.rows(this.#from, indexOf)
    this.#settle('logs', { counted, duplicate: 0, waiting: 0, refused: 0 })
  }

  /**
   * Adds the calls of spans. Calls of a resource whose window has closed stay unchanged, since some
   * of their spans may be deleted already.
   *
   * @returns how many spans of each resource belong to no call; zeros are left out.
   */
  addSpans(
    parts: readonly WindowPart[],
    join: SpanJoin,
    duplicate: number,
    isOpen: (resource: string) => boolean,
  ): ReadonlyMap<string, number> {
    const spans = parts.flatMap((part) => part.spans)
    for (const part of parts) this.#mention(part, () => true)
    const found = join.callsOf(spans, this.counts)
    const waiting = new Map<string, number>()
    for (const { span, kind } of found.unpaired) {
      if (span.counted) this.counts.unpaired[kind] += 1
      if (kind === 'client' || kind === 'producer') waiting.set(span.resource.urn, (waiting.get(span.resource.urn) ?? 0) + 1)
    }
    const edges = new ByEnds<{ calls: ReportedCall[]; changes: boolean }>()
    for (const call of found.calls) {
      const edge = edges.getOrCreate(call.src.urn, call.dst.urn, () => ({ calls: [], changes: false }))
      edge.calls.push(call)
      edge.changes ||= isOpen(call.by)
    }
    const changing = [...edges.values()].flatMap(({ calls, changes }) => (changes ? [calls] : []))
    // Most calls share the descriptions of their resources.
    const described = new Set(changing.flatMap((calls) => calls.flatMap(({ src, dst }) => [src, dst])))
    for (const resource of described) mention(this.#resources, resource)
    const gone = new ByEnds<CallEnds>()
    for (const ends of found.superseded) {
      if (edges.get(ends.src, ends.dst) === undefined && isOpen(ends.by)) gone.getOrCreate(ends.src, ends.dst, () => ends)
    }
    this.gone.calls = [...gone.values()]
    this.#calls = (indexOf) => callRows(changing, this.#from, indexOf)
    this.#addValues(spans, join, isOpen)
    this.counts.duplicateRecords += duplicate
    const counted = spans.filter((span) => span.counted).length
    const { client, producer } = this.counts.unpaired
    this.#settle('traces', { counted, duplicate, waiting: client + producer, refused: 0 })
    return waiting
  }

  #countValue(dimension: string, values: number): void {
    this.counts.values[dimension] = (this.counts.values[dimension] ?? 0) + values
  }

  /** Counts the values of the spans whose window is open. */
  #addValues(spans: readonly SpanRecord[], join: SpanJoin, isOpen: (resource: string) => boolean): void {
    const outdated: SketchKey[] = []
    for (const span of spans) {
      const { urn: resource } = span.resource
      if (span.values.length === 0 || !isOpen(resource)) continue
      const counts = join.has(span)
      for (const value of span.values) {
        if (counts) {
          this.#values.add(resource, value, span.failed)
          if (span.counted) this.#countValue(value.dimension, 1)
        } else outdated.push({ resource, dimension: value.dimension })
      }
    }
    this.gone.sketches = outdated.filter(({ resource, dimension }) => !this.#values.has(resource, dimension))
  }

  window(): IngestWindow {
    const { locators, indexOf } = this.#locators.locators(this.#from)
    return {
      from: new Date(this.#from),
      to: new Date(this.#from + windowMilliseconds),
      resources: [...this.#resources.values()].sort((a, b) => (a.urn < b.urn ? -1 : 1)),
      metrics: this.#metrics,
      calls: this.#calls(indexOf),
      patterns: this.#patterns(indexOf),
      sketches: this.#values.rows(this.#from),
      locators,
    }
  }

  #mention(part: WindowPart, wanted: (urn: string) => boolean): void {
    this.#locators.merge(part.locators)
    for (const resource of part.resources.values()) if (wanted(resource.urn)) mention(this.#resources, resource)
  }

  /** Records what happened to the records that waited for this rollup. */
  #settle(dataset: 'traces' | 'metrics' | 'logs', found: Record<'counted' | 'duplicate' | 'waiting' | 'refused', number>): void {
    const fates = this.counts.records[dataset]
    fates.duplicate = found.duplicate
    fates.refused = found.refused
    fates.rolledUp = found.counted - found.duplicate - found.waiting - found.refused
    fates.waiting = found.waiting - found.counted
  }
}

/**
 * What must be remembered of metrics after windows have closed, as of the last of them.
 *
 * @param closing the last window that closes, by resource.
 */
export async function memoriesAfter(
  journal: JournalReader,
  closing: ReadonlyMap<string, number>,
  carried: readonly Carried[],
): Promise<Carried[]> {
  if (closing.size === 0) return []
  const last = Math.max(...closing.values())
  const windows = (await journal.windows('metrics')).filter((window) => window <= last)
  const pass = new PointPass(new Map([...closing.keys()].map((resource) => [resource, Infinity])), new Set(windows), carried)
  const memories: Carried[] = []
  for (const window of windows) {
    await pass.fold(journal, window, emptyReport())
    for (const [resource, until] of closing) {
      const memory = until === window ? pass.memory(resource) : undefined
      if (memory !== undefined) memories.push({ resource, until: window + windowMilliseconds, memory })
    }
  }
  return memories
}
