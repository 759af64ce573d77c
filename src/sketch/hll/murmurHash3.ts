/** The bytes to hash; `hash` reads 16 bytes beyond their end as zeros. It grows as needed. */
let scratch = new Uint8Array(1024)
let words = new DataView(scratch.buffer)

/** The scratch space, with room for this many bytes. Growing it loses its content. */
export function scratchFor(bytes: number): Uint8Array {
  if (bytes + 16 > scratch.length) {
    scratch = new Uint8Array(2 * (bytes + 16))
    words = new DataView(scratch.buffer)
  }
  return scratch
}

/**
 * The two halves of the last hash: `[low, high]`, both as signed 32-bit numbers. They are reused,
 * because a bigint or an array for every added value would be garbage.
 */
export const hashed = new Int32Array(2)

/**
 * Hashes the first `length` bytes of the scratch space: the first 64 bits of MurmurHash3 x64 128,
 * into `hashed`.
 *
 * 64-bit arithmetic on 32-bit halves: `Math.imul` is one instruction, a bigint is an allocation. A
 * tail shorter than a block is a block that ends in zeros, because mixing in a zero changes
 * nothing.
 *
 * Specification: Appleby, MurmurHash3 (2011), `MurmurHash3_x64_128`.
 */
export function hashScratch(length: number, seed: number): void {
  // A call of `fill` would take longer than all the rest.
  for (let at = length; at < length + 16; at += 4) words.setInt32(at, 0)
  let low1 = seed | 0
  let high1 = 0
  let low2 = seed | 0
  let high2 = 0
  let low: number
  let high: number
  for (let at = 0; ; at += 16) {
    low = words.getInt32(at, true)
    high = words.getInt32(at + 4, true)
    high = productHigh(low, high, 0x114253d5, 0x87c37b91)
    low = Math.imul(low, 0x114253d5)
    let turned = (low << 31) | (high >>> 1)
    high = (high << 31) | (low >>> 1)
    high = productHigh(turned, high, 0x2745937f, 0x4cf5ad43)
    low1 ^= Math.imul(turned, 0x2745937f)
    high1 ^= high

    low = words.getInt32(at + 8, true)
    high = words.getInt32(at + 12, true)
    high = productHigh(low, high, 0x2745937f, 0x4cf5ad43)
    low = Math.imul(low, 0x2745937f)
    turned = (high << 1) | (low >>> 31)
    high = (low << 1) | (high >>> 31)
    high = productHigh(turned, high, 0x114253d5, 0x87c37b91)
    turned = Math.imul(turned, 0x114253d5)
    if (at + 16 > length) {
      low2 ^= turned
      high2 ^= high
      break
    }

    low = (low1 << 27) | (high1 >>> 5)
    high1 = (high1 << 27) | (low1 >>> 5)
    low1 = (low + low2) | 0
    high1 = (high1 + high2 + carry(low1, low)) | 0
    high1 = productHigh(low1, high1, 5, 0)
    low = Math.imul(low1, 5)
    low1 = (low + 0x52dce729) | 0
    high1 = (high1 + carry(low1, low)) | 0

    low2 ^= turned
    high2 ^= high
    low = (low2 << 31) | (high2 >>> 1)
    high2 = (high2 << 31) | (low2 >>> 1)
    low2 = (low + low1) | 0
    high2 = (high2 + high1 + carry(low2, low)) | 0
    high2 = productHigh(low2, high2, 5, 0)
    low = Math.imul(low2, 5)
    low2 = (low + 0x38495ab5) | 0
    high2 = (high2 + carry(low2, low)) | 0
  }

  low1 ^= length
  low2 ^= length
  low1 = (low1 + low2) | 0
  high1 = (high1 + high2 + carry(low1, low2)) | 0
  low2 = (low2 + low1) | 0
  high2 = (high2 + high1 + carry(low2, low1)) | 0

  // The finalizer of both halves of the 128 bits: a shift by 33 moves the high word into the low
  // one.
  low1 ^= high1 >>> 1
  high1 = productHigh(low1, high1, 0xed558ccd, 0xff51afd7)
  low1 = Math.imul(low1, 0xed558ccd) ^ (high1 >>> 1)
  high1 = productHigh(low1, high1, 0x1a85ec53, 0xc4ceb9fe)
  low1 = Math.imul(low1, 0x1a85ec53) ^ (high1 >>> 1)
  low2 ^= high2 >>> 1
  high2 = productHigh(low2, high2, 0xed558ccd, 0xff51afd7)
  low2 = Math.imul(low2, 0xed558ccd) ^ (high2 >>> 1)
  high2 = productHigh(low2, high2, 0x1a85ec53, 0xc4ceb9fe)
  low2 = Math.imul(low2, 0x1a85ec53) ^ (high2 >>> 1)

  low = (low1 + low2) | 0
  hashed[0] = low
  hashed[1] = high1 + high2 + carry(low, low1)
}

/** 1 if an unsigned 32-bit sum overflowed: it is then smaller than its addend. */
const carry = (sum: number, addend: number): number => (sum >>> 0 < addend >>> 0 ? 1 : 0)

/**
 * The high word of the product of two 64-bit numbers, given by halves; `imul` gives the low one.
 */
function productHigh(low: number, high: number, byLow: number, byHigh: number): number {
  const a = low & 0xffff
  const b = low >>> 16
  const c = byLow & 0xffff
  const d = byLow >>> 16
  // No sum below exceeds 32 bits, so their sign does not matter.
  const middle = (Math.imul(b, c) + (Math.imul(a, c) >>> 16)) | 0
  const rest = ((middle & 0xffff) + Math.imul(a, d)) | 0
  return (Math.imul(b, d) + (middle >>> 16) + (rest >>> 16) + Math.imul(high, byLow) + Math.imul(low, byHigh)) | 0
}
