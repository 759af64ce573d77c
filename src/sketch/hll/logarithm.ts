/*
 * `Math.log` may be wrong in the last bit, and is for one in seven of the quotients here. The
 * extension uses the C library's logarithm: the double nearest to the true value, except for one in
 * a thousand.
 */

/** The bits after the binary point of the numbers below. */
const point = 128n

/** 2 atanh(a / b): the logarithm of (b + a) / (b - a). */
function twiceAtanh(a: bigint, b: bigint): bigint {
  const ratio = (a << point) / b
  const square = (ratio * ratio) >> point
  let power = ratio
  let sum = ratio
  for (let divisor = 3n; power !== 0n && power !== -1n; divisor += 2n) {
    power = (power * square) >> point
    sum += power / divisor
  }
  return 2n * sum
}

const ln2 = twiceAtanh(1n, 3n)
const oneAndHalf = 0x18000000000000n
const bits = new DataView(new ArrayBuffer(8))

/** The natural logarithm of a positive normal double, rounded to the nearest double. */
export function nearestLog(value: number): number {
  const fixed = fixedLog(value)
  return Number(fixed) / 2 ** Number(point)
}

function fixedLog(value: number): bigint {
  bits.setFloat64(0, value)
  const head = bits.getBigUint64(0)
  const mantissa = (head & 0xfffffffffffffn) | (1n << 52n)
  // For a factor in [0.75, 1.5] the series needs at most 26 terms.
  const halved = mantissa >= oneAndHalf ? 1n : 0n
  const one = 1n << (52n + halved)
  return ((head >> 52n) - 1023n + halved) * ln2 + twiceAtanh(mantissa - one, mantissa + one)
}

/**
 * ln(2 ** log2m / zeros), as glibc, musl and the extension compute it.
 *
 * Their logarithm (Arm's optimized routines, with fused multiply-add) is off by at most .519 units
 * in the last place. If the true value is almost halfway between two doubles, they may return the
 * other one. This was measured on a server for every quotient of log2m 17, which include those of
 * all smaller ones.
 */
export function logOfQuotient(log2m: number, zeros: number): number {
  const fixed = fixedLog(2 ** log2m / zeros)
  const nearest = Number(fixed) / 2 ** Number(point)
  if (!otherDouble.has(zeros * 2 ** (17 - log2m))) return nearest
  bits.setFloat64(0, nearest)
  const isAbove = BigInt(nearest * 2 ** 64) << (point - 64n) > fixed
  bits.setBigInt64(0, bits.getBigInt64(0) + (isAbove ? -1n : 1n))
  return bits.getFloat64(0)
}

const otherDouble: ReadonlySet<number> = new Set([
  1862, 13008, 15394, 22179, 31783, 36326, 41886, 45390, 48169, 49362, 49654, 57996, 58539, 58596, 60072, 62608, 63878, 63884, 64063, 64494,
  64582, 64645, 65119, 65402, 66316, 67682, 68511, 69616, 69831, 70912, 76173, 78058, 78842, 80753, 81079, 81091, 82690, 83692, 83860,
  84395, 85185, 85621, 85696, 86466, 88343, 88726, 90624, 91749, 93322, 94204, 96644, 97660, 97784, 101647, 102169, 102235, 102363, 102866,
  103439, 103564, 103565, 103918, 104121, 104495, 105445, 106277, 106827, 106860, 107592, 107624, 107705, 108851, 109541, 109582, 109680,
  110134, 110534, 110643, 110850, 112525, 112684, 113135, 113269, 113949, 114379, 115029, 115609, 115830, 116323, 116503, 116645, 117102,
  117392, 117400, 117407, 117879, 118233, 118303, 118511, 118869, 118990, 119142, 119215, 119443, 119455, 119607, 119840, 119916, 119988,
  120031, 120148, 120375, 120401, 120883, 121445, 121493, 121513, 121583, 121610, 121614, 121737, 121778, 121872, 122111, 122358, 123384,
  123866, 124780, 125113, 125208, 125784, 126321, 126610, 127628, 127859, 128399, 128442, 129839, 130565,
])
