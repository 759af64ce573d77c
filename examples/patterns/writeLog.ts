import { writeFile } from 'node:fs/promises'

const minute = 60_000

/** The hours of the log. The deployment is at 14:00 in Berlin. */
export const logFrom = new Date('2025-11-20T11:00:00Z')
export const deployedAt = new Date('2025-11-20T13:00:00Z')
export const logTo = new Date('2025-11-20T14:00:00Z')

/** Made of the time, so that every run writes the same. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; state = (state * 48_271) % 2_147_483_647) yield state / 2_147_483_647
}

const trace = [
  'java.util.concurrent.TimeoutException: no answer from pay.example after 3000 ms',
  '\tat shop.payment.Client.authorise(Client.java:88)',
  '\tat shop.order.Checkout.pay(Checkout.java:41)',
]

/**
 * Writes the log of a shop as Spring Boot would, for three hours, in the local time of Berlin. What
 * is hidden in it, from the deployment on:
 *
 * | | |
 * |---|---|
 * | new | `payment of order ... failed`, with a trace |
 * | bursts | `retrying payment`, before once in ten minutes, then with each failure |
 * | vanishes | `price list ... loaded`, before every minute |
 */
export async function writeLog(file: string): Promise<void> {
  const random = numbers(20_251_120)
  const next = () => random.next().value as number
  const lines: string[] = []
  let order = 4_000
  const write = (time: number, level: string, thread: string, logger: string, message: string) => {
    // Berlin is an hour ahead of UTC in November.
    const local = new Date(time + 60 * minute).toISOString().replace('T', ' ').replace('Z', '')
    lines.push(`${local} ${level.padStart(5)} 7 --- [${thread.padStart(15)}] ${logger.padEnd(28)} : ${message}`)
  }
  for (let time = logFrom.getTime(); time < logTo.getTime(); time += minute) {
    const isAfter = time >= deployedAt.getTime()
    if (time === deployedAt.getTime()) write(time, 'INFO', 'main', 'shop.Application', 'Started Application 2.4.0 in 8.1 seconds')
    if (!isAfter)
      write(
        time + 1_000,
        'INFO',
        'scheduling-1',
        'shop.price.PriceList',
        `price list v${Math.floor(time / minute) % 900} loaded in ${20 + Math.floor(9 * next())} ms`,
      )
    if (!isAfter && time % (10 * minute) === 0)
      write(time + 2_000, 'WARN', 'exec-3', 'shop.payment.Client', `retrying payment of order ${order}, attempt 1`)
    for (let part = 0; part < 8; part += 1) {
      const at = time + 3_000 + part * 7_000
      order += 1
      write(
        at,
        'INFO',
        `exec-${1 + (order % 8)}`,
        'shop.order.Checkout',
        `order ${order} of ${1 + Math.floor(5 * next())} items, ${Math.floor(40 + 900 * next()) / 10} EUR`,
      )
      if (!isAfter || next() > 0.4) continue
      write(at + 3_100, 'WARN', `exec-${1 + (order % 8)}`, 'shop.payment.Client', `retrying payment of order ${order}, attempt 1`)
      write(at + 6_200, 'ERROR', `exec-${1 + (order % 8)}`, 'shop.order.Checkout', `payment of order ${order} failed`)
      lines.push(...trace)
    }
  }
  await writeFile(file, `${lines.join('\n')}\n`)
}
