import { gauge, log, logs, metrics, point, spans, sum, type SpanInput } from '../../unit/ingest/telemetry.ts'

/**
 * A recording that is the same for the same seed: services that call each other, a database, logs whose attributes change their type, a counter that
 * is reset; a request every half minute for each service.
 */
export function recording({
  minutes,
  seed = 1,
  services = ['web', 'cart', 'pay'],
}: {
  minutes: number
  seed?: number
  services?: string[]
}): object[] {
  let state = seed
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const totals = new Map(services.map((service) => [service, 0]))
  return Array.from({ length: minutes * 2 }, (_, half) => half * 30).flatMap((seconds) =>
    services.flatMap((service, index) => {
      const next = services[index + 1]
      const calls: SpanInput[] = Array.from({ length: 3 }, (_, call) => {
        const from = seconds + call + random()
        const to = from + 0.01 + random() / 5
        return {
          id: `${index}${seconds}c${call}`,
          kind: 'CLIENT',
          from,
          to,
          failed: random() < 0.1,
          with: { [next ? 'peer.service' : 'db.system.name']: next ?? 'redis' },
        }
      })
      const total = random() < 0.05 ? 10 : totals.get(service)! + Math.round(random() * 1000)
      const start = total === 10 ? seconds - 1 : -60
      totals.set(service, total)
      return [
        spans(service, calls, { 'service.version': `1.${Math.floor(random() * 3)}` }),
        ...(next === undefined
          ? []
          : [
              spans(
                next,
                calls.map(({ id, from, to }, call) => ({
                  id: `s${id}`,
                  parent: id,
                  kind: 'SERVER' as const,
                  from: from + 0.001,
                  to: to - 0.001,
                  // More of them than a sketch names.
                  with: { 'user.id': `u${(seconds * 7 + call * 13) % 411}`, 'http.route': `/${service}` },
                })),
              ),
            ]),
        metrics(service, [
          sum('bytes', 'CUMULATIVE', true, [point(seconds, total, start)]),
          gauge('queue', [point(seconds, random() * 100, undefined, { shard: Math.floor(random() * 2) })]),
        ]),
        logs(service, [
          log(seconds, `order ${Math.floor(random() * 1e6)} took ${Math.floor(random() * 90)} ms`, random() < 0.2 ? 17 : 9, {
            user: random() < 0.5 ? 'somebody' : Math.floor(random() * 10),
            [`tag${Math.floor(seconds / 300)}`]: true,
          }),
        ]),
      ]
    }),
  )
}

export const asLines = (payloads: readonly object[]): string => payloads.map((payload) => `${JSON.stringify(payload)}\n`).join('')
