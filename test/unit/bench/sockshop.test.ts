import { expect, test } from 'vitest'
import { meaningOf } from '../../../bench/sockshop.ts'

test('a column is a metric of a container', () => {
  expect(meaningOf('carts-db_cpu')).toMatchObject({ container: 'carts-db', name: 'container.cpu.usage', unit: '{cpu}', factor: 0.01 })
  expect(meaningOf('queue-master_mem')).toMatchObject({ container: 'queue-master', name: 'container.memory.usage' })
  expect(meaningOf('front-end_lat_99')).toMatchObject({ name: 'http.server.request.duration', attributes: { quantile: '0.99' } })
  expect(meaningOf('time')).toBeUndefined()
})
