import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/**
 * How often the kill loops kill what they run, and the seed of when: few kills at moments of their
 * own in every run of the suite, many in `npm run chaos KILLS SEED`.
 */
export interface Chaos {
  kills: number
  /** A number from 0 up to 1, the same for the same seed. */
  random: () => number
}

/** The kills of one test, which says its seed: what it found can then be looked for again. */
export function chaos(test: string, kills: number): Chaos {
  const wanted = Number(process.env.PGVANTAGE_CHAOS_KILLS || kills)
  const { seed, random } = seeded()
  console.log(`${test}: to kill at the same moments again: npm run chaos ${wanted} ${seed}`)
  return { kills: wanted, random }
}

/**
 * The random numbers of one test that goes on for minutes: none in the suite, where it goes round
 * once.
 */
export function chaosFor(test: string): { minutes: number; random: () => number } {
  const minutes = Number(process.env.PGVANTAGE_CHAOS_MINUTES || 0)
  const { seed, random } = seeded()
  console.log(`${test}: to shuffle in the same way again: npm run chaos -- writers ${Math.max(1, minutes)} ${seed}`)
  return { minutes, random }
}

function seeded(): { seed: number; random: () => number } {
  const named = process.env.PGVANTAGE_CHAOS_SEED
  const seed = named ? Number(named) : Math.floor(Math.random() * 2 ** 31)
  const generator = xoroshiro128plus(seed)
  return { seed, random: () => uniformFloat64(generator) }
}
