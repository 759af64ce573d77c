/** Sends the confirmation of every shipped order. */
import { reportReady } from '../lib/control.ts'
import { log } from '../lib/log.ts'
import { consume } from '../lib/queue.ts'
import { Shipment } from '../lib/shapes.ts'
import { work } from '../lib/work.ts'

const greylistedShare = 0.05

await consume('shipments', {
  payload: Shipment,
  async handle({ orderId, customer }) {
    await work(25)
    if (Math.random() < greylistedShare) {
      log.warn(`mail server asked to come back later for order ${orderId}, trying again in 50 ms`)
      await work(50)
    }
    log.info(`sent confirmation of order ${orderId} to customer ${customer}`)
  },
})
reportReady()
