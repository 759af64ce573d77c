/** Registers as one byte each; packed they have `regwidth` bits. */
export type Registers = Uint8Array

/**
 * Adds a hash: its last `log2m` bits choose a register. The register keeps the largest position,
 * from 1, of the first 1 among the other bits. As in the extension, a hash without a 1 there gives
 * 0.
 */
export function addToRegisters(registers: Registers, log2m: number, highest: number, low: number, high: number): void {
  const index = low & (registers.length - 1)
  const value = Math.min(placeOfFirstOne((low >>> log2m) | (high << (32 - log2m)), high >>> log2m), highest)
  if (registers[index]! < value) registers[index] = value
}

const placeOfFirstOne = (low: number, high: number): number =>
  low !== 0 ? 32 - Math.clz32(low & -low) : high !== 0 ? 64 - Math.clz32(high & -high) : 0

/** Keeps the larger value of each register. */
export function mergeRegisters(into: Registers, from: Registers): void {
  for (let at = 0; at < into.length; at += 1) if (into[at]! < from[at]!) into[at] = from[at]!
}

/**
 * The registers that fewer bits of the same hashes would have chosen. A longer index contains some
 * of the hash's other bits; if they are not all 0, the first 1 is among them.
 */
export function foldRegisters(registers: Registers, log2m: number, highest: number): Registers {
  const folded = new Uint8Array(2 ** log2m)
  const moved = Math.log2(registers.length) - log2m
  registers.forEach((value, index) => {
    if (value === 0) return
    const rest = index >>> log2m
    const place = rest === 0 ? Math.min(value + moved, highest) : Math.min(placeOfFirstOne(rest, 0), highest)
    const at = index & (folded.length - 1)
    if (folded[at]! < place) folded[at] = place
  })
  return folded
}

/** How many registers have each value, from 0 to the largest possible one. */
export function registerCounts(registers: Registers, highest: number): Uint32Array {
  const counts = new Uint32Array(highest + 1)
  for (let at = 0; at < registers.length; at += 1) counts[registers[at]!]! += 1
  return counts
}
