import { logOfQuotient, nearestLog } from './logarithm.ts'
import type { HllParameters } from './hllParameters.ts'
import type { Registers } from './registers.ts'

/** 2 ** -value, for every value that a register may have. */
const inverse = Float64Array.from({ length: 256 }, (_, value) => 2 ** -value)

/**
 * The extension's estimate, to the last bit: Flajolet and others, "HyperLogLog" (2007), with linear
 * counting below 2.5 values for each register, and a correction near the size of the hash.
 *
 * One difference: for registers of more than 5 bits, the extension's limit of that correction
 * exceeds 64 bits, and it answers NaN from a few values for each register on. Such registers count
 * to the end of a 64-bit hash and need no correction.
 */
export function classicCardinality({ log2m, regwidth }: HllParameters, registers: Registers): number {
  const m = 2 ** log2m
  let sum = 0
  let zeros = 0
  for (let at = 0; at < m; at += 1) {
    const value = registers[at]!
    sum += inverse[value]!
    if (value === 0) zeros += 1
  }
  const raw = alphaSquares(m) / sum
  if (zeros !== 0 && raw < (5 * m) / 2) return m * logOfQuotient(log2m, zeros)
  if (regwidth > 5) return raw
  const hashes = 2 ** (2 ** regwidth - 2 + log2m)
  if (raw <= hashes / 30) return raw
  const free = 1 - raw / hashes
  return free > 0 ? -hashes * nearestLog(free) : free === 0 ? Infinity : Number.NaN
}

/** alpha * m * m, multiplied in the extension's order. */
export function alphaSquares(m: number): number {
  if (m === 16) return 0.673 * m * m
  if (m === 32) return 0.697 * m * m
  if (m === 64) return 0.709 * m * m
  return (0.7213 / (1 + 1.079 / m)) * m * m
}
