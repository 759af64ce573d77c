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
  const named = process.env.PGVANTAGE_CHAOS_SEED
  const seed = named ? Number(named) : Math.floor(Math.random() * 2 ** 31)
  const wanted = Number(process.env.PGVANTAGE_CHAOS_KILLS || kills)
  console.log(`${test}: to kill at the same moments again: npm run chaos ${wanted} ${seed}`)
  const generator = xoroshiro128plus(seed)
  return { kills: wanted, random: () => uniformFloat64(generator) }
}
