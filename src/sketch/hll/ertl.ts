import { highestRegister, type HllParameters } from './hllParameters.ts'
import { registerCounts, type Registers } from './registers.ts'

/**
 * Ertl's improved raw estimator: it has no bias at any size, no ranges to switch between, and no
 * fitted constants.
 *
 * Literature: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017),
 * algorithm 6.
 */
export function ertlCardinality(parameters: HllParameters, registers: Registers): number {
  const m = registers.length
  const highest = highestRegister(parameters)
  const counts = registerCounts(registers, highest)
  // Values above the highest that registers can distinguish are counted with it, unless the hash
  // ends there.
  const isOpen = highest < 64 - parameters.log2m
  let z = isOpen ? m * tau(1 - counts[highest]! / m) : counts[highest]! / 2
  for (let value = highest - 1; value >= 1; value -= 1) z = (z + counts[value]!) / 2
  z += m * sigma(counts[0]! / m)
  return ((m / (2 * Math.LN2)) * m) / z
}

function sigma(x: number): number {
  if (x === 1) return Infinity
  let power = x
  let weight = 1
  let sum = x
  for (;;) {
    power *= power
    const last = sum
    sum += power * weight
    weight += weight
    if (sum === last) return sum
  }
}

function tau(x: number): number {
  if (x === 0 || x === 1) return 0
  let root = x
  let weight = 1
  let sum = 1 - x
  for (;;) {
    root = Math.sqrt(root)
    const last = sum
    weight /= 2
    sum -= (1 - root) ** 2 * weight
    if (sum === last) return sum / 3
  }
}
