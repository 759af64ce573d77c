/** Packs the orders that come through the queue, one at a time. */
import { metrics } from '@opentelemetry/api'
import { reportReady } from '../lib/control.ts'
import { database } from '../lib/database.ts'
import { log } from '../lib/log.ts'
import { consume, publish } from '../lib/queue.ts'
import { PlacedOrder } from '../lib/shapes.ts'
import { work } from '../lib/work.ts'

const depth = metrics
  .getMeter('shop.fulfilment')
  .createUpDownCounter('shop.queue.depth', { description: 'Orders waiting or being packed', unit: '{message}' })

await consume('orders', {
  payload: PlacedOrder,
  async handle({ orderId, customer, items }) {
    await work(45)
    await database.query('INSERT INTO shipments (order_id, customer, positions) VALUES ($1, $2, $3)', [orderId, customer, items.length])
    log.info(`packed order ${orderId}, ${items.length} positions, shelf ${1 + Math.floor(Math.random() * 60)}`)
    await publish('shipments', { orderId, customer })
  },
  onReceived: () => depth.add(1),
  onFinished: () => depth.add(-1),
})
reportReady()
