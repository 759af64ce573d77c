/** The shop's entry: what customers ask for, put together from the services behind. */
import { z } from 'zod'
import { call, CallError } from '../lib/call.ts'
import { log } from '../lib/log.ts'
import { HttpError, serve } from '../lib/serve.ts'
import { Cart, CartItem } from '../lib/shapes.ts'
import { work } from '../lib/work.ts'

const slowCheckoutMs = 600
const passedOn = z.unknown()

await serve(
  {
    'GET /': async () => {
      await work(8)
      return { recommended: await call('recommendation', '/recommendations/home', { answer: passedOn }) }
    },

    'GET /products/:sku': async ({ params: { sku } }) => {
      await work(6)
      const [product, similar] = await Promise.all([
        findProduct(sku),
        call('recommendation', `/recommendations/${sku}`, { answer: passedOn }),
      ])
      return { product, similar }
    },

    'POST /cart/:customer': async ({ params: { customer }, body }) => {
      await work(5)
      return call('cart', `/carts/${customer}/items`, { method: 'POST', body: CartItem.parse(body), answer: Cart })
    },

    'POST /checkout/:customer': async ({ params: { customer } }) => {
      const started = performance.now()
      await work(7)
      try {
        const order = await call('checkout', '/orders', { method: 'POST', body: { customer }, answer: passedOn, timeoutMs: 8000 })
        const elapsed = Math.round(performance.now() - started)
        if (elapsed > slowCheckoutMs) log.warn(`customer ${customer} waited ${elapsed} ms for the checkout`)
        return order
      } catch (error) {
        if (!(error instanceof CallError)) throw error
        log.error({ err: error }, `checkout of customer ${customer} failed: ${error.message}`)
        throw new HttpError(502, 'the checkout is not available')
      }
    },
  },
  { fromOutside: true },
)

async function findProduct(sku: string): Promise<unknown> {
  try {
    return await call('inventory', `/stock/${sku}`, { answer: passedOn })
  } catch (error) {
    if (!(error instanceof CallError) || error.status !== 404) throw error
    log.warn(`no product ${sku}, answering with the search page`)
    throw new HttpError(404, `no product ${sku}`)
  }
}
