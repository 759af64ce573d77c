import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault, Order } from './lib/control.ts'
import { faultyService, portOf, services } from './topology.ts'

export { faultyService, type Fault }

/** How long requests and messages under way have to finish, in milliseconds. */
const drainMs = 5000

/** How to run the shop. */
export interface ShopOptions {
  /** Where the services send OTLP/JSON over HTTP, without `/v1/...`: `http://127.0.0.1:4318`. */
  readonly otlpEndpoint: string
  /** The shop listens on this loopback port and the nine that follow. Default 18080. */
  readonly portBase?: number
  /** Customer journeys a second, 1.2 requests each. Default 1.4. */
  readonly journeysPerSecond?: number
  /** Seed of the customers. Default 1. */
  readonly seed?: number
  /** Milliseconds after the opening at which the faulty service turns slow. Without it, only `injectFault` makes it so. */
  readonly faultAfterMs?: number
  /** Milliseconds after the opening at which it also fails. */
  readonly errorAfterMs?: number
  /** Told when a fault was injected. */
  readonly onFault?: (fault: Fault, at: Date) => void
  /** Stops the shop, as `stop` does; while it is still starting, `startShop` rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** A running shop. */
export interface Shop extends AsyncDisposable {
  /** The frontend's address. */
  readonly url: string
  /** Makes the faulty service slow or failing, or (`'none'`) healthy again. */
  injectFault(fault: Fault): void
  /** Stops the customers, lets requests under way end, flushes the telemetry, and ends every process. */
  stop(): Promise<void>
  /** Resolves once the shop has stopped; rejects when one of its processes ends by itself. */
  readonly closed: Promise<void>
}

/**
 * Starts the shop: a database, a broker, eight instrumented services and their customers, each in a process of its own.
 *
 * The services report every 10 seconds (spans, logs) or 15 seconds (metrics).
 *
 * @throws {Error} when a process ends before it is ready, for example because its port is taken
 * @example
 * await using shop = await startShop({ otlpEndpoint: 'http://127.0.0.1:4318' })
 * shop.injectFault('slow')
 */
export async function startShop(options: ShopOptions): Promise<Shop> {
  const { otlpEndpoint, portBase = 18_080, journeysPerSecond = 1.4, seed = 1, signal } = options
  signal?.throwIfAborted()
  const environment = {
    ...process.env,
    SHOP_PORT_BASE: String(portBase),
    SHOP_JOURNEYS_PER_SECOND: String(journeysPerSecond),
    SHOP_SEED: String(seed),
    OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint,
  }

  const children = new Map<string, ChildProcess>()
  const timers: NodeJS.Timeout[] = []
  const { promise: closed, resolve: resolveClosed, reject: rejectClosed } = Promise.withResolvers<void>()
  // A caller that does not await it must not fail on its rejection.
  closed.catch(() => {})
  let stopped: Promise<void> | undefined

  const start = async (name: string, module: string, extra: NodeJS.ProcessEnv = {}, execArgv: string[] = []): Promise<void> => {
    const child = fork(new URL(module, import.meta.url), { env: { ...environment, ...extra }, execArgv, serialization: 'json' })
    children.set(name, child)
    const ended = once(child, 'exit').then(([code, by]) => {
      if (stopped !== undefined) return
      const error = new Error(`the shop's ${name} ended by itself (${by ?? `exit code ${code}`})`)
      rejectClosed(error)
      void stop()
      throw error
    })
    // The only thing a child ever says is that it is ready.
    await Promise.race([once(child, 'message'), ended])
  }
  const startService = (name: string): Promise<void> =>
    start(name, `services/${name}.ts`, { SHOP_SERVICE: name }, ['--import', new URL('telemetry.ts', import.meta.url).href])

  const injectFault = (fault: Fault): void => {
    children.get(faultyService)?.send({ order: 'fault', fault } satisfies Order)
    options.onFault?.(fault, new Date())
  }

  const stop = (): Promise<void> => (stopped ??= stopAll())
  const stopAll = async (): Promise<void> => {
    for (const timer of timers) clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
    if (children.has('load')) {
      await end(children.get('load'))
      await sleep(drainMs)
    }
    await Promise.all(Object.keys(services).map((name) => end(children.get(name))))
    await Promise.all([...children.values()].map(end))
    resolveClosed()
  }

  try {
    await Promise.all([start('database', 'infrastructure/database.ts'), start('broker', 'infrastructure/broker.ts')])
    await Promise.all(Object.keys(services).map(startService))
    signal?.throwIfAborted()
    await start('load', 'load.ts')
  } catch (error) {
    await stop()
    throw error
  }
  signal?.addEventListener('abort', stop, { once: true })
  if (options.faultAfterMs !== undefined) timers.push(setTimeout(injectFault, options.faultAfterMs, 'slow'))
  if (options.errorAfterMs !== undefined) timers.push(setTimeout(injectFault, options.errorAfterMs, 'failing'))

  return { url: `http://127.0.0.1:${portOf('frontend', portBase)}`, injectFault, stop, closed, [Symbol.asyncDispose]: stop }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  if (child.connected) child.send({ order: 'stop' } satisfies Order)
  const overdue = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await exited
  clearTimeout(overdue)
}
