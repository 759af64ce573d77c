/** Charges customers. The fault sits here: the link to the payment provider turns slow, then also stops answering. */
import { metrics } from '@opentelemetry/api'
import { setTimeout as sleep } from 'node:timers/promises'
import { onFault, type Fault } from '../lib/control.ts'
import { database } from '../lib/database.ts'
import { log } from '../lib/log.ts'
import { HttpError, serve } from '../lib/serve.ts'
import { Charge } from '../lib/shapes.ts'
import { work } from '../lib/work.ts'

class ProviderTimeoutError extends HttpError {
  override readonly name = 'ProviderTimeoutError'

  constructor() {
    super(504, 'the payment provider does not answer')
  }
}

const healthyMs = 40
const slowMs = 640
const tooSlowMs = 300
const providerTimeoutMs = 1800
const attempts = 2
const unansweredShare = 0.65
const declinedShare = 0.05

let fault: Fault = 'none'
onFault((next) => (fault = next))

const charged = metrics
  .getMeter('shop.payment')
  .createCounter('shop.payment.charged', { description: 'Money charged to customers', unit: '{cent}' })

await serve({
  'POST /charges': async ({ body }) => {
    const { orderId, customer, totalCents } = Charge.parse(body)
    const authorised = await authorise(orderId)
    await database.query('INSERT INTO payments (order_id, customer, total_cents, authorised) VALUES ($1, $2, $3, $4)', [
      orderId,
      customer,
      totalCents,
      authorised,
    ])
    const amount = `${(totalCents / 100).toFixed(2)} EUR`
    if (authorised) {
      charged.add(totalCents)
      log.info(`charged ${amount} to customer ${customer} for order ${orderId}`)
    } else {
      log.warn(`card of customer ${customer} declined for order ${orderId}: insufficient funds for ${amount}`)
    }
    return { authorised }
  },
})

/** Asks the provider, more than once if need be. */
async function authorise(orderId: string): Promise<boolean> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const started = performance.now()
    const answer = await askProvider()
    const elapsed = Math.round(performance.now() - started)
    if (answer === 'timeout') {
      log.error(
        { err: new ProviderTimeoutError() },
        `payment provider timed out after ${elapsed} ms for order ${orderId}, attempt ${attempt}`,
      )
      continue
    }
    if (elapsed > tooSlowMs) log.warn(`payment provider took ${elapsed} ms for order ${orderId}, expected below ${tooSlowMs} ms`)
    return answer === 'authorised'
  }
  throw new ProviderTimeoutError()
}

/** Stands in for the bank's API, which no newcomer has an account with. */
async function askProvider(): Promise<'authorised' | 'declined' | 'timeout'> {
  if (fault === 'failing' && Math.random() < unansweredShare) {
    await sleep(providerTimeoutMs + 150 * Math.random())
    return 'timeout'
  }
  await work(fault === 'none' ? healthyMs : slowMs)
  return Math.random() < declinedShare ? 'declined' : 'authorised'
}
