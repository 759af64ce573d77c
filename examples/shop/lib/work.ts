import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Takes about `medianMs` milliseconds, as work does: log-normal, with a 95th percentile of 1.5 medians.
 *
 * A timer, not computing: the latencies are those of the shop, whatever the machine is busy with.
 */
export async function work(medianMs: number): Promise<void> {
  await sleep(medianMs * Math.exp(0.25 * gaussian()))
}

function gaussian(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
}
