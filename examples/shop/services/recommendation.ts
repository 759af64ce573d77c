/** Recommends products. It shares nothing with the checkout, and stays healthy whatever happens there. */
import { log } from '../lib/log.ts'
import { serve } from '../lib/serve.ts'
import { work } from '../lib/work.ts'

const products = 240

setInterval(() => log.info(`model refreshed from ${products} products in ${Math.round(60 + 40 * Math.random())} ms`), 60_000)

await serve({
  'GET /recommendations/:page': async ({ params: { page } }) => {
    await work(page === 'home' ? 24 : 15)
    return Array.from({ length: 4 }, () => `sku-${String(1 + Math.floor(Math.random() * products)).padStart(4, '0')}`)
  },
})
