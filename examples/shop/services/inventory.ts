/** What is in stock, in the database. */
import { metrics } from '@opentelemetry/api'
import type { z } from 'zod'
import { database } from '../lib/database.ts'
import { log } from '../lib/log.ts'
import { HttpError, serve } from '../lib/serve.ts'
import { ReservationRequest, type CartItem } from '../lib/shapes.ts'
import { work } from '../lib/work.ts'

interface Stock {
  readonly sku: string
  readonly quantity: number
  readonly price_cents: number
}

const lowStock = 8
const delivery = 40

const meter = metrics.getMeter('shop.inventory')
const reserved = meter.createCounter('shop.inventory.reserved', { description: 'Items reserved for orders', unit: '{item}' })

await serve({
  'GET /stock/:sku': async ({ params: { sku } }) => {
    await work(7)
    const { rows } = await database.query<Stock>('SELECT sku, quantity, price_cents FROM stock WHERE sku = $1', [sku])
    return existing(rows[0], sku)
  },

  'POST /reservations': async ({ body }) => {
    const { orderId, items } = ReservationRequest.parse(body)
    await work(11)
    let totalCents = 0
    for (const item of items) totalCents += await reserve(orderId, item)
    return { totalCents }
  },
})

/** Takes the item from the stock and resolves to its price; has more delivered when little is left. */
async function reserve(orderId: string, { sku, quantity }: z.infer<typeof CartItem>): Promise<number> {
  const { rows } = await database.query<Stock>(
    'UPDATE stock SET quantity = quantity - $2 WHERE sku = $1 RETURNING sku, quantity, price_cents',
    [sku, quantity],
  )
  const stock = existing(rows[0], sku)
  reserved.add(quantity)
  log.info(`reserved ${quantity} of ${sku} for order ${orderId}, ${stock.quantity} left`)
  if (stock.quantity < lowStock) {
    await database.query('UPDATE stock SET quantity = quantity + $2 WHERE sku = $1', [sku, delivery])
    log.warn(`stock of ${sku} is down to ${stock.quantity}, took ${delivery} from the warehouse`)
  }
  return quantity * stock.price_cents
}

function existing(stock: Stock | undefined, sku: string): Stock {
  if (stock === undefined) throw new HttpError(404, `no product ${sku}`)
  return stock
}
