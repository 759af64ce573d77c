/**
 * The shop's customers: journeys that begin at random, independent of how long earlier ones take (an open loop, Poisson arrivals), so a slow
 * shop is not spared. The same `SHOP_SEED` gives the same journeys at the same distances.
 *
 * They come as through browsers and a proxy before the shop: with cookies, and with the address they come from in `x-forwarded-for`.
 */
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { reportReady } from './lib/control.ts'
import { host, portBase } from './lib/environment.ts'
import { portOf } from './topology.ts'
import { drawVisitors, type Visitor } from './visitors.ts'

const journeysPerSecond = Number(process.env.SHOP_JOURNEYS_PER_SECOND)
const generator = xoroshiro128plus(Number(process.env.SHOP_SEED))
const random = () => uniformFloat64(generator)
const visitors = drawVisitors(random)
const port = portOf('frontend', portBase)
const crawlerShare = 0.12
const signedInShare = 0.6
const buying = new Set<string>()

reportReady()
for (;;) {
  await sleep((-Math.log(1 - random()) / journeysPerSecond) * 1000)
  // Not awaited: the next customer does not wait for this one. A failed request is the shop's business, and in its telemetry.
  journey().catch(() => {})
}

function journey(): Promise<void> {
  const choice = random()
  if (choice < 0.45) return visit(random() < crawlerShare ? visitors.crawler() : onlooker(), 'GET', '/')
  // One link in fifty leads to a product that is no longer sold.
  if (choice < 0.8) return visit(onlooker(), 'GET', `/products/${random() < 0.02 ? 'sku-0999' : anySku()}`)
  return buy(anySku(), 1 + Math.floor(random() * 3))
}

function onlooker(): Visitor {
  return random() < signedInShare ? visitors.customer() : visitors.stranger()
}

async function buy(sku: string, quantity: number): Promise<void> {
  const visitor = visitors.customer()
  const customer = visitor.customer!
  // Nobody pays twice at once: the second checkout would find the cart empty.
  if (buying.has(customer)) return visit(visitor, 'GET', '/')
  buying.add(customer)
  try {
    await visit(visitor, 'POST', `/cart/${customer}`, { sku, quantity })
    await sleep(500)
    await visit(visitor, 'POST', `/checkout/${customer}`)
  } finally {
    buying.delete(customer)
  }
}

function visit({ address, session, customer }: Visitor, method: string, path: string, body?: unknown): Promise<void> {
  const payload = body === undefined ? '' : JSON.stringify(body)
  const cookie = Object.entries({ session, customer }).flatMap(([name, value]) => (value === undefined ? [] : `${name}=${value}`))
  const headers = {
    'x-forwarded-for': address,
    ...(cookie.length > 0 && { cookie: cookie.join('; ') }),
    ...(method !== 'GET' && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
  }
  return new Promise((resolve, reject) => {
    request({ host, port, path, method, headers }, (response) => {
      response.resume().on('end', resolve)
    })
      .on('error', reject)
      .end(method === 'GET' ? undefined : payload)
  })
}

function anySku(): string {
  return `sku-${String(1 + Math.floor(random() * 240)).padStart(4, '0')}`
}
