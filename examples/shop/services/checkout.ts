/** Turns a cart into an order: reserves the items, has them paid, and hands the order to fulfilment through the queue. */
import { metrics } from '@opentelemetry/api'
import type { z } from 'zod'
import { call, CallError } from '../lib/call.ts'
import { log } from '../lib/log.ts'
import { publish } from '../lib/queue.ts'
import { HttpError, serve } from '../lib/serve.ts'
import { Cart, ChargeOutcome, OrderRequest, Reservation, type Charge } from '../lib/shapes.ts'
import { work } from '../lib/work.ts'

const slowPaymentMs = 500

const orders = metrics.getMeter('shop.checkout').createCounter('shop.orders', { description: 'Checkouts by outcome', unit: '{order}' })

await serve({
  'POST /orders': async ({ body }) => {
    const { customer } = OrderRequest.parse(body)
    const orderId = crypto.randomUUID().slice(0, 8)
    await work(9)
    const { items } = await call('cart', `/carts/${customer}/empty`, { method: 'POST', answer: Cart })
    const { totalCents } = await call('inventory', '/reservations', { method: 'POST', body: { orderId, items }, answer: Reservation })

    const outcome = await pay({ orderId, customer, totalCents })
    orders.add(1, { 'shop.order.outcome': outcome })
    if (outcome === 'declined') return { orderId, outcome }

    await publish('orders', { orderId, customer, items })
    log.info(`order ${orderId} placed by customer ${customer}: ${items.length} positions, ${(totalCents / 100).toFixed(2)} EUR`)
    return { orderId, outcome }
  },
})

async function pay(charge: z.infer<typeof Charge>): Promise<'paid' | 'declined'> {
  const started = performance.now()
  const elapsed = (): number => Math.round(performance.now() - started)
  try {
    // More patient than payment is with its provider, so that payment's own answer arrives.
    const options = { method: 'POST', body: charge, answer: ChargeOutcome, timeoutMs: 6000 } as const
    const { authorised } = await call('payment', '/charges', options)
    if (elapsed() > slowPaymentMs) log.warn(`order ${charge.orderId} waited ${elapsed()} ms for payment`)
    return authorised ? 'paid' : 'declined'
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    orders.add(1, { 'shop.order.outcome': 'failed' })
    log.error({ err: error }, `order ${charge.orderId} given up after ${elapsed()} ms: ${error.message}`)
    throw new HttpError(502, `order ${charge.orderId} could not be paid`)
  }
}
