/**
 * The shop's customers: journeys that begin at random, independent of how long earlier ones take (an open loop, Poisson arrivals), so a slow
 * shop is not spared. The same `SHOP_SEED` gives the same journeys at the same distances.
 */
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { reportReady } from './lib/control.ts'
import { host, portBase } from './lib/environment.ts'
import { portOf } from './topology.ts'

const journeysPerSecond = Number(process.env.SHOP_JOURNEYS_PER_SECOND)
const generator = xoroshiro128plus(Number(process.env.SHOP_SEED))
const random = () => uniformFloat64(generator)
const port = portOf('frontend', portBase)

reportReady()
for (;;) {
  await sleep((-Math.log(1 - random()) / journeysPerSecond) * 1000)
  // Not awaited: the next customer does not wait for this one. A failed request is the shop's business, and in its telemetry.
  journey().catch(() => {})
}

function journey(): Promise<void> {
  const choice = random()
  if (choice < 0.45) return visit('GET', '/')
  // One link in fifty leads to a product that is no longer sold.
  if (choice < 0.8) return visit('GET', `/products/${random() < 0.02 ? 'sku-0999' : anySku()}`)
  return buy(`c${100 + Math.floor(random() * 900)}`, anySku(), 1 + Math.floor(random() * 3))
}

async function buy(customer: string, sku: string, quantity: number): Promise<void> {
  await visit('POST', `/cart/${customer}`, { sku, quantity })
  await sleep(500)
  await visit('POST', `/checkout/${customer}`)
}

function visit(method: string, path: string, body?: unknown): Promise<void> {
  const payload = body === undefined ? '' : JSON.stringify(body)
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
  return new Promise((resolve, reject) => {
    request({ host, port, path, method, headers: method === 'GET' ? {} : headers }, (response) => {
      response.resume().on('end', resolve)
    })
      .on('error', reject)
      .end(method === 'GET' ? undefined : payload)
  })
}

function anySku(): string {
  return `sku-${String(1 + Math.floor(random() * 240)).padStart(4, '0')}`
}
