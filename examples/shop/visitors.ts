/**
 * Who visits the shop: invented people, at addresses that RFC 5737 and RFC 3849 keep for documentation.
 *
 * The customers, and where they live, are the same in every run; who comes when is up to `random`.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** The sender of a request, as far as the shop can know. */
export interface Visitor {
  /** Where the request comes from. Offices and some homes share one. */
  readonly address: string
  /** A browser's session. Crawlers keep none. */
  readonly session?: string
  /** The customer who is signed in. */
  readonly customer?: string
}

const customers = 900
/** How unevenly they come: the most frequent one 4 % of the time, half of them 20 % of the time. */
const zipfExponent = 0.7
const newSessionShare = 0.3
const officeShare = 0.25
const offices = 12
const ipv6Share = 0.5
const crawlers = ['192.0.2.200', '192.0.2.200', '192.0.2.200', '2001:db8:c:7::1']

/** Draws visitors of each kind, with `random` in [0, 1). */
export function drawVisitors(random: () => number) {
  const sessions = new Map<string, string>()
  const newSession = (): string => hexDigits(random, 8) + hexDigits(random, 8)
  return {
    /** A signed-in customer; some come often. */
    customer(): Visitor {
      const { name, address } = population[rankOf(random())]!
      const last = sessions.get(name)
      const session = last === undefined || random() < newSessionShare ? newSession() : last
      sessions.set(name, session)
      return { address, session, customer: name }
    },
    /** Somebody without an account, who is not seen twice. */
    stranger: (): Visitor => ({ address: homeAddress(random), session: newSession() }),
    crawler: (): Visitor => ({ address: crawlers[Math.floor(random() * crawlers.length)]! }),
  }
}

const generator = xoroshiro128plus(1)
const everywhere = (): number => uniformFloat64(generator)
const population = Array.from({ length: customers }, (_, rank) => ({
  // 577 and 900 have no common factor: every name once, the frequent ones anywhere.
  name: `c${100 + ((rank * 577 + 311) % customers)}`,
  address: everywhere() < officeShare ? `192.0.2.${1 + Math.floor(everywhere() * offices)}` : homeAddress(everywhere),
}))

const cumulative: number[] = []
for (let rank = 1, sum = 0; rank <= customers; rank++) cumulative.push((sum += rank ** -zipfExponent))

function rankOf(share: number): number {
  const target = share * cumulative.at(-1)!
  return cumulative.findIndex((sum) => sum > target)
}

function homeAddress(random: () => number): string {
  if (random() < ipv6Share) return `2001:db8:${hexDigits(random, 2)}:${hexDigits(random, 4)}::${hexDigits(random, 1)}`
  return `${random() < 0.5 ? '198.51.100' : '203.0.113'}.${1 + Math.floor(random() * 254)}`
}

/** A number with this number of digits that does not begin with 0, as IPv6 addresses write it. */
function hexDigits(random: () => number, digits: number): string {
  const least = 16 ** (digits - 1)
  return Math.floor(least + random() * 15 * least).toString(16)
}
