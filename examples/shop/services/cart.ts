/** The customers' carts, in memory. */
import { metrics } from '@opentelemetry/api'
import type { z } from 'zod'
import { log } from '../lib/log.ts'
import { serve } from '../lib/serve.ts'
import { CartItem } from '../lib/shapes.ts'
import { work } from '../lib/work.ts'

const carts = new Map<string, Array<z.infer<typeof CartItem>>>()

const meter = metrics.getMeter('shop.cart')
const itemsAdded = meter.createCounter('shop.cart.items_added', { description: 'Items put into carts', unit: '{item}' })
meter
  .createObservableGauge('shop.cart.open', { description: 'Carts with something in them', unit: '{cart}' })
  .addCallback((result) => result.observe(carts.size))

await serve({
  'POST /carts/:customer/items': async ({ params: { customer }, body }) => {
    const item = CartItem.parse(body)
    await work(9)
    const items = [...(carts.get(customer) ?? []), item]
    carts.set(customer, items)
    itemsAdded.add(item.quantity)
    log.info(`cart of customer ${customer} holds ${items.length} positions after adding ${item.sku}`)
    return { items }
  },

  'POST /carts/:customer/empty': async ({ params: { customer } }) => {
    await work(8)
    const items = carts.get(customer) ?? []
    carts.delete(customer)
    return { items }
  },
})
