import { glob, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { sql } from 'kysely'
import { z } from 'zod'
import { externalClientUrn, serviceUrn } from '../src/catalog/urn.ts'
import type { TimeRange } from '../src/database/range.ts'
import type { Scope } from '../src/database/scope.ts'
import { ingest } from '../src/ingest/ingest.ts'
import { parse } from '../src/schema/parse.ts'
import { csvRows } from './csv.ts'
import type { Fault } from './fault.ts'
import { logLines, metricLine, serviceOf, spanLine, type CsvRow } from './nezhaTelemetry.ts'

/** A day of the Nezha dataset. */
export interface NezhaDay {
  /** `2023-01-30` */
  day: string
  /** The folder of the day with faults, and that of the same day without. */
  faulty: string
  calm: string
}

/**
 * The Nezha dataset: spans, logs and metrics of Train Ticket (and Online Boutique), a few minutes around each of many faults that were made in it.
 * Yu, Chen, Li, Chen, Li, Zheng: "Nezha: Interpretable Fine-Grained Root Causes Analysis for Microservices on Multi-Modal Observability Data", FSE 2023.
 *
 * @returns the days below `data`, in order.
 */
export async function nezhaDays(data: string): Promise<NezhaDay[]> {
  const days: NezhaDay[] = []
  for await (const traces of glob('**/rca_data/*/trace', { cwd: data })) {
    const faulty = join(data, dirname(traces))
    const day = basename(faulty)
    const calm = join(faulty, '..', '..', 'construct_data', day)
    if ((await minutesOf(calm, day)).length > 0) days.push({ day, faulty, calm })
    else console.error(`left out, as nothing says what was normal: ${faulty}`)
  }
  return days.toSorted((a, b) => (a.faulty < b.faulty ? -1 : 1))
}

/**
 * Loads a day through the library's own ingest, as OTLP/JSON lines in the order of time.
 *
 * Of each fault it is told what someone on call knows: that users suffer (the service where it hurts is the one that is called from outside most, by
 * the calls of the calm time) and since when: see `faultWindows`.
 *
 * @throws Error when the day has no calls from outside in its baseline.
 */
export async function loadNezha(scope: Scope, { day, faulty, calm }: NezhaDay): Promise<Fault[]> {
  const [calmMinutes, faultyMinutes] = [await minutesOf(calm, day), await minutesOf(faulty, day)]
  const injections = await readInjections(faulty, day)
  const { records } = await ingest(scope, telemetry([...calmMinutes, ...faultyMinutes], await metricsOf([calm, faulty])))
  for (const [kind, { read, rolledUp, waiting, duplicate, late, refused }] of Object.entries(records)) {
    const fates = `${rolledUp} rolled up, ${waiting} waiting, ${duplicate} duplicate, ${late} late, ${refused} refused`
    console.error(`${day}: ${kind}: ${read} records read, ${fates}`)
  }

  const made = injections.map(({ time }) => time)
  const { baseline, ranges } = faultWindows({
    injections: made,
    calm: await recorded(calmMinutes),
    faulty: faultyMinutes.map(({ time }) => time),
  })
  const service = await entryOf(scope, baseline)
  return injections.map(({ name, pod, type }, at) => ({
    name: `${day} ${name} ${type}`,
    group: pod.startsWith('ts-') ? 'trainticket' : 'onlineboutique',
    part: day,
    service,
    range: ranges[at]!,
    baseline,
    cause: serviceUrn(serviceOf(pod)),
  }))
}

/** All of a day, the calm time and that with faults, as OTLP/JSON lines in the order of time. */
export async function* dayTelemetry({ day, faulty, calm }: NezhaDay): AsyncGenerator<string> {
  const minutes = [...(await minutesOf(calm, day)), ...(await minutesOf(faulty, day))]
  yield* telemetry(minutes, await metricsOf([calm, faulty]))
}

const minute = 60_000
/** The length of a bucket of calls. */
const bucket = 300_000

/** The files of one minute's spans and logs; `time` is that of their name: records are of this minute, or of the one before. */
interface Minute {
  time: number
  spans: string
  logs: string
}

async function minutesOf(folder: string, day: string): Promise<Minute[]> {
  const minutes: Minute[] = []
  for await (const name of glob('*_trace.csv', { cwd: join(folder, 'trace') })) {
    const clock = /^(\d\d)_(\d\d)_/.exec(name)
    if (clock === null) continue
    const time = Date.parse(`${day}T${clock[1]}:${clock[2]}:00Z`)
    minutes.push({ time, spans: join(folder, 'trace', name), logs: join(folder, 'log', name.replace('_trace', '_log')) })
  }
  return minutes.toSorted((a, b) => a.time - b.time)
}

const faultList = z.record(z.string(), z.array(z.object({ inject_time: z.string(), inject_pod: z.string(), inject_type: z.string() })))

/** The faults of a day, the first first. Their times are written without a zone, and are UTC. */
async function readInjections(folder: string, day: string): Promise<{ name: string; time: number; pod: string; type: string }[]> {
  const file = `${day}-fault_list.json`
  const text = await readFile(join(folder, file), 'utf8').catch(() => readFile(join(folder, '..', file), 'utf8'))
  return Object.values(parse(faultList, JSON.parse(text), file))
    .flat()
    .map(({ inject_time, inject_pod, inject_type }) => ({
      name: inject_time.slice(11),
      time: Date.parse(`${inject_time.trim().replace(' ', 'T')}Z`),
      pod: inject_pod,
      type: inject_type,
    }))
    .toSorted((a, b) => a.time - b.time)
}

/** When the spans of each minute's files began. */
async function recorded(minutes: readonly Minute[]): Promise<Recorded[]> {
  const spans: Recorded[] = []
  for (const { spans: file } of minutes) {
    let [from, to] = [Infinity, -Infinity]
    for (const { StartTimeUnixNano } of csvRows(await textOf(file))) {
      const time = Math.floor(Number(StartTimeUnixNano) / 1e6)
      if (Number.isFinite(time)) [from, to] = [Math.min(from, time), Math.max(to, time)]
    }
    if (from <= to) spans.push({ from, to })
  }
  return spans
}

/** The metrics of all pods by minute. A row that several folders have counts once. */
async function metricsOf(folders: readonly string[]): Promise<Map<number, Map<string, CsvRow>>> {
  const byMinute = new Map<number, Map<string, CsvRow>>()
  for (const folder of folders) {
    for await (const name of glob('*.csv', { cwd: join(folder, 'metric') })) {
      for (const row of csvRows(await readFile(join(folder, 'metric', name), 'utf8'))) {
        const time = floor(Number(row['TimeStamp']) * 1_000, minute)
        let rows = byMinute.get(time)
        if (rows === undefined) byMinute.set(time, (rows = new Map()))
        rows.set(`${name} ${row['TimeStamp']}`, row)
      }
    }
  }
  return byMinute
}

/** Everything from the first minute that has spans to the last, as export requests, minute by minute. */
async function* telemetry(minutes: readonly Minute[], metrics: ReadonlyMap<number, ReadonlyMap<string, CsvRow>>): AsyncGenerator<string> {
  const byTime = Map.groupBy(minutes, ({ time }) => time)
  const [first, last] = [Math.min(...byTime.keys()), Math.max(...byTime.keys())]
  for (let time = first; time <= last + minute; time += minute) {
    for (const { spans, logs } of byTime.get(time) ?? []) {
      const { lines, failed } = logLines(csvRows(await textOf(logs)))
      yield* lines
      yield spanLine([...csvRows(await textOf(spans))], failed)
    }
    const rows = metrics.get(time)
    if (rows !== undefined) yield metricLine([...rows.values()])
  }
}

/** A minute may have spans and no logs. */
const textOf = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })

/** From when to when a file has records, in milliseconds. */
export interface Recorded {
  from: number
  to: number
}

/**
 * When it hurts, fault by fault, and when all was well, by the times at which faults were made, the calm records, and the minutes of faulty files.
 *
 * A range begins with the bucket of calls in which an alert a minute after the fault was made would ring, and ends with the fault's data, which is before
 * the next fault and before the calm buckets. The baseline is the time from the first calm record to the first range; where it was calm later, the
 * longest part of the calm buckets that no range has.
 */
export function faultWindows({
  injections,
  calm,
  faulty,
}: {
  injections: readonly number[]
  calm: readonly Recorded[]
  faulty: readonly number[]
}): {
  baseline: TimeRange
  ranges: TimeRange[]
} {
  const begin = floor(Math.min(...calm.map(({ from }) => from)), bucket)
  const ranges = injections.map((made, at) => {
    const next = injections[at + 1] ?? Infinity
    const last = faulty.findLast((time) => time >= floor(made, minute) && time < floor(next, minute)) ?? made
    const [from, to] = [floor(made + minute, bucket), floor(last, minute) + minute]
    return { from, to: from < begin && begin < to ? begin : Math.max(to, from + minute) }
  })
  const taken = ranges.toSorted((a, b) => a.from - b.from)
  const first = taken[0]!.from
  const [from, to] = begin < first ? [begin, first] : longestGap(begin, ceil(Math.max(...calm.map(({ to }) => to)), bucket), taken)
  return { baseline: during(from, to), ranges: ranges.map(({ from, to }) => during(from, to)) }
}

/** The longest part of a stretch of buckets without any that a range has. */
function longestGap(begin: number, end: number, ranges: readonly { from: number; to: number }[]): [from: number, to: number] {
  let longest: [number, number] = [begin, begin]
  let at = begin
  for (const { from, to } of [...ranges, { from: end, to: end }]) {
    const until = Math.min(from, end)
    if (until - at > longest[1] - longest[0]) longest = [at, until]
    at = Math.max(at, ceil(to, bucket))
  }
  return longest
}

const during = (from: number, to: number): TimeRange => ({ from: new Date(from), to: new Date(to) })

async function entryOf(scope: Scope, range: TimeRange): Promise<string> {
  const { rows } = await sql<{ urn: string }>`
    select entry.urn
    from ${scope.id('service_call_5m')} as call
    join ${scope.id('dim_resource')} as caller on caller.tenant_id = call.tenant_id and caller.resource_id = call.src_resource_id
    join ${scope.id('dim_resource')} as entry on entry.tenant_id = call.tenant_id and entry.resource_id = call.dst_resource_id
    where call.tenant_id = ${scope.tenantId}::int8 and call.bucket >= ${range.from} and call.bucket < ${range.to} and caller.urn = ${externalClientUrn}
    group by entry.urn order by sum(call.call_count) desc, entry.urn limit 1
  `.execute(scope.db)
  if (rows[0] === undefined) throw new Error(`nobody is called from outside from ${range.from.toISOString()} to ${range.to.toISOString()}`)
  return rows[0].urn
}

const floor = (time: number, step: number) => Math.floor(time / step) * step
const ceil = (time: number, step: number) => Math.ceil(time / step) * step
