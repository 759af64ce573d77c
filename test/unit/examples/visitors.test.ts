import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { describe, expect, it } from 'vitest'
import { drawVisitors, type Visitor } from '../../../examples/shop/visitors.ts'

const documentation = /^(?:192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|2001:db8:)/

describe("the shop's visitors", () => {
  const draw = (seed: number, kind: 'customer' | 'stranger' | 'crawler', count: number): Visitor[] => {
    const generator = xoroshiro128plus(seed)
    const visitors = drawVisitors(() => uniformFloat64(generator))
    return Array.from({ length: count }, () => visitors[kind]())
  }
  const distinct = (visitors: readonly Visitor[], key: keyof Visitor): number => new Set(visitors.map((visitor) => visitor[key])).size

  it('are the same for the same seed, and live at addresses kept for documentation', () => {
    for (const kind of ['customer', 'stranger', 'crawler'] as const) {
      expect(draw(7, kind, 500)).toEqual(draw(7, kind, 500))
      for (const { address } of draw(7, kind, 500)) expect(address).toMatch(documentation)
    }
  })

  it('come back, some often, some from one address, in a new session now and then', () => {
    const customers = draw(3, 'customer', 3000)
    expect(distinct(customers, 'customer')).toBeGreaterThan(600)
    expect(distinct(customers, 'customer')).toBeLessThanOrEqual(900)
    expect(distinct(customers, 'address')).toBeLessThan(distinct(customers, 'customer'))
    expect(distinct(customers, 'session')).toBeGreaterThan(distinct(customers, 'customer'))
    expect(distinct(customers, 'session')).toBeLessThan(2000)
    const visits = [...Map.groupBy(customers, ({ customer }) => customer).values()].map(({ length }) => length).sort((a, b) => b - a)
    expect(visits[0]).toBeGreaterThan(20 * visits[Math.floor(visits.length / 2)]!)
  })

  it('live where they live, whatever the seed', () => {
    const home = new Map(draw(1, 'customer', 3000).map(({ customer, address }) => [customer, address]))
    for (const { customer, address } of draw(2, 'customer', 200)) expect(home.get(customer) ?? address).toBe(address)
  })
})
