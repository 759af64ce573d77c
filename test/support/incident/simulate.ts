import type { CallRow, MetricRow } from '../rows.ts'

/** What goes wrong at one service, from some minute on. */
export interface Breakage {
  /** Each of its answers takes so many milliseconds more. */
  slowMs?: number
  /** The share of its requests that throw, before it calls anybody. */
  fails?: number
  /** The share of its requests that return early: without an error, and without calling anybody. */
  returns?: number
  /** It calls everybody so many times for each request. */
  repeats?: number
  /** So many processors that no request asks for. */
  cpu?: number
  /** So many bytes of memory more with each minute. */
  leakBytes?: number
  /** It is gone: whoever calls it fails, and it tells nothing of itself any more. */
  gone?: boolean
  /** And nobody notes down the calls that nobody answers. */
  unseen?: boolean
  /** From then on it calls this one too, which fails. */
  newCallee?: string
}

export interface IncidentOptions {
  /** Who calls whom, and how often for each request; the first is called by the client. */
  calls: readonly (readonly [src: string, dst: string, share?: number])[]
  /** Requests in a minute before, and from the beginning of the trouble on. */
  requests: number
  requestsThen?: number
  broken?: { service: string; how: Breakage }
  /**
   * Minutes of calm, then of trouble. The trouble begins `early` minutes before the end of the calm
   * ones.
   */
  calm: number
  trouble: number
  early?: number
  /** The share of requests that fail at each service while all is well. */
  usualFailures?: number
  /**
   * Processors that a request in a minute takes. Above three tenths of one answers become slower.
   */
  cpuPerRequest?: number
  seed: number
}

/** What was recorded of it, in the shapes of `rows.ts`. */
export interface Recorded {
  calls: CallRow[]
  metrics: MetricRow[]
  /** Lines of logs, counted: an error if its text begins with it. */
  logs: { bucket: Date; resource: string; pattern: string; count: number }[]
}

export const client = 'urn:external:client'

interface Cell {
  latencies: number[]
  errors: number
}

/**
 * A small system under steady traffic, one of whose services breaks: every request is walked
 * through it, and what each service measures and logs is counted. Latencies are log-normal,
 * arrivals Poisson; a caller waits for its callees one after the other, and fails with seven in ten
 * of their failures. Processors are used for each request, and busy ones make answers slower.
 */
export function simulate(begin: Date, options: IncidentOptions): Recorded {
  const {
    calls: edges,
    requests,
    requestsThen = requests,
    broken,
    calm,
    trouble,
    early = 0,
    usualFailures = 0,
    cpuPerRequest = 0.002,
    seed,
  } = options
  const random = randomOf(seed)
  const services = [...new Set(edges.flatMap(([src, dst]) => [src, dst]))]
  const below = Map.groupBy(edges, ([src]) => src)
  const calls = new Map<string, Cell & { bucket: Date; src: string; dst: string }>()
  const logs = new Map<string, Recorded['logs'][number]>()
  const metrics: MetricRow[] = []
  const base = new Map(services.map((urn) => [urn, { ms: 5 + 20 * random(), cpu: 0.05 + 0.1 * random(), bytes: 1e8 * (1 + random()) }]))

  for (let minute = 0; minute < calm + trouble; minute++) {
    const time = new Date(begin.getTime() + minute * 60_000)
    const bucket = new Date(Math.floor(time.getTime() / 300_000) * 300_000)
    const isTrouble = minute >= calm - early
    const breakage = (urn: string): Breakage => (isTrouble && broken?.service === urn ? broken.how : {})
    const served = new Map<string, number[]>()
    const load = (urn: string) => cpuPerRequest * (served.get(urn)?.length ?? 0)
    const log = (resource: string, pattern: string, count = 1) => {
      const key = `${bucket.getTime()} ${resource} ${pattern}`
      const line = logs.get(key) ?? { bucket, resource, pattern, count: 0 }
      line.count += count
      logs.set(key, line)
    }
    const called = (src: string, dst: string, latency: number, failed: boolean) => {
      const key = `${bucket.getTime()} ${src} ${dst}`
      const cell = calls.get(key) ?? { bucket, src, dst, latencies: [], errors: 0 }
      cell.latencies.push(latency)
      if (failed) cell.errors += 1
      calls.set(key, cell)
    }
    /** What a request takes at a service, and whether it fails. */
    const serve = (src: string, urn: string): boolean => {
      const { slowMs = 0, fails = 0, returns = 0, repeats = 1, cpu = 0, gone = false, unseen = false, newCallee } = breakage(urn)
      if (gone) {
        if (!unseen) called(src, urn, 2 + random(), true)
        clock += 2
        return true
      }
      const from = clock
      // Processors that are taken make everything slower.
      clock +=
        base.get(urn)!.ms * Math.exp(0.4 * normal(random)) * (1 + 4 * cpu + 2 * Math.max(0, load(urn) - 0.3)) +
        slowMs * (0.8 + 0.4 * random())
      let failed = random() < usualFailures
      if (random() < fails) {
        log(urn, `error: ${urn} threw`)
        failed = true
      } else if (random() >= returns) {
        for (const [, dst, share = 1] of [...(below.get(urn) ?? []), ...(newCallee === undefined ? [] : [[urn, newCallee] as const])]) {
          for (let time = 0; time < repeats; time++) {
            if (random() >= share) continue
            const badly = newCallee === dst ? (called(urn, dst, 1, true), true) : serve(urn, dst)
            if (badly && random() < 0.7) failed = true
          }
        }
        if (failed) log(urn, `error: ${urn} cannot answer`)
        else log(urn, `${urn} answered`)
      }
      log(urn, `${urn} was asked`)
      called(src, urn, clock - from, failed)
      served.set(urn, [...(served.get(urn) ?? []), clock - from])
      return failed
    }
    let clock = 0
    for (let count = poisson(isTrouble ? requestsThen : requests, random); count > 0; count--) serve(client, edges[0]![0])

    for (const urn of services) {
      const { cpu = 0, leakBytes = 0, gone = false } = breakage(urn)
      if (gone) continue
      const { cpu: idle, bytes } = base.get(urn)!
      const own = { bucket: time, resource: urn, sample_count: 1 }
      metrics.push({ ...own, metric: 'container.cpu.usage', unit: '{cpu}', avg_val: idle * (1 + 0.1 * normal(random)) + cpu + load(urn) })
      metrics.push({
        ...own,
        metric: 'container.memory.usage',
        unit: 'By',
        avg_val: bytes * (1 + 0.01 * normal(random)) + leakBytes * Math.max(0, minute - calm + early + 1),
      })
      const latencies = served.get(urn)
      if (latencies !== undefined)
        metrics.push({
          ...own,
          metric: 'http.server.request.duration',
          unit: 's',
          kind: 'histogram',
          samples: latencies.map((ms) => ms / 1_000),
          sample_count: latencies.length,
        })
    }
  }
  return {
    calls: [...calls.values()].map(({ bucket, src, dst, latencies, errors }) => ({ bucket, src, dst, latencies, error_count: errors })),
    metrics,
    logs: [...logs.values()],
  }
}

/** A generator of pseudorandom numbers, 0..1 (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const normal = (random: () => number) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

function poisson(mean: number, random: () => number): number {
  let [count, product] = [0, random()]
  for (const limit = Math.exp(-mean); product > limit; count++) product *= random()
  return count
}
