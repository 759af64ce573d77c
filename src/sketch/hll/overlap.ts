import { estimateOf, type Estimate } from './estimate.ts'
import { rateOf, valueModel, type RegisterRange, type ValueModel } from './registerModel.ts'
import type { Registers } from './registers.ts'

/** Of two sets, by their sketches, how many values each has and how many they share. */
export interface HllOverlap {
  readonly a: Estimate
  readonly b: Estimate
  readonly union: Estimate
  readonly intersection: Estimate
  /** The values in both over the values in either, 0..1; 0 of two empty sets. */
  readonly jaccard: Estimate
}

type Triple = readonly [number, number, number]
/** A symmetric matrix by its upper triangle: 00, 01, 02, 11, 12, 22. */
type Symmetric = readonly [number, number, number, number, number, number]

/** Of two sets of known size whose common values are counted. */
export function exactOverlap(a: number, b: number, both: number): HllOverlap {
  const union = a + b - both
  const [first, second, either, shared, jaccard] = [a, b, union, both, union === 0 ? 0 : both / union].map((value) => estimateOf(value, 0))
  return { a: first!, b: second!, union: either!, intersection: shared!, jaccard: jaccard! }
}

/** Of two sets of which one is empty. */
export function disjointOverlap(a: Estimate, b: Estimate): HllOverlap {
  const none = estimateOf(0, 0)
  return { a, b, union: a.estimate === 0 ? b : a, intersection: none, jaccard: none }
}

/**
 * The numbers of values in the first set only, in the second only and in both, that make the two
 * sketches' registers most likely; and from the Fisher information there, how far they may be off.
 *
 * Literature: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017),
 * section 4.
 *
 * @param start Where to begin to look: any rough guess.
 */
export function jointOverlap(range: RegisterRange, a: Registers, b: Registers, start: Triple): HllOverlap {
  const pairs = countPairs(range, a, b)
  const counts = mostLikely(range, pairs, start)
  const covariance = countCovariance(range, counts)
  const [onlyA, onlyB, both] = counts
  const sum = (value: number, weights: Triple) => estimateOf(value, Math.sqrt(Math.max(0, quadratic(covariance, weights))))
  const union = onlyA + onlyB + both
  const jaccard = both / union
  return {
    a: sum(onlyA + both, [1, 0, 1]),
    b: sum(onlyB + both, [0, 1, 1]),
    union: sum(union, [1, 1, 1]),
    intersection: sum(both, [0, 0, 1]),
    // To the first order: how the ratio changes with each of the three.
    jaccard: sum(jaccard, [-jaccard / union, -jaccard / union, (1 - jaccard) / union]),
  }
}

/** How many registers have the value `i` here and `j` there: at `i * (highest + 1) + j`. */
function countPairs({ highest }: RegisterRange, a: Registers, b: Registers): Float64Array {
  const pairs = new Float64Array((highest + 1) ** 2)
  for (let at = 0; at < a.length; at += 1) pairs[a[at]! * (highest + 1) + b[at]!]! += 1
  return pairs
}

/**
 * What the pairs say at a point: their log-likelihood, its gradient and the information expected.
 */
interface Look {
  readonly likelihood: number
  readonly gradient: Triple
  readonly information: Symmetric
}

function look(range: RegisterRange, pairs: Float64Array, [onlyA, onlyB, both]: Triple): Look {
  const { m, highest } = range
  const [aloneA, aloneB, withA, withB] = [onlyA, onlyB, onlyA + both, onlyB + both].map((mean) => valueModel(range, mean)) as [
    ValueModel,
    ValueModel,
    ValueModel,
    ValueModel,
  ]
  let likelihood = 0
  const gradient: [number, number, number] = [0, 0, 0]
  const information: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0]
  const take = (count: number, p: number, pa: number, pb: number, px: number) => {
    if (count > 0) {
      likelihood += count * Math.log(p)
      gradient[0] += (count * pa) / p
      gradient[1] += (count * pb) / p
      gradient[2] += (count * px) / p
    }
    if (p < 1e-300) return
    const weight = m / p
    information[0] += weight * pa * pa
    information[1] += weight * pa * pb
    information[2] += weight * pa * px
    information[3] += weight * pb * pb
    information[4] += weight * pb * px
    information[5] += weight * px * px
  }
  for (let i = 0; i <= highest; i += 1) {
    for (let j = 0; j <= highest; j += 1) {
      const count = pairs[i * (highest + 1) + j]!
      if (i === j) continue
      // The larger of two values cannot come from what both have: then the other would have it too.
      const [f, g] = i < j ? [withA, aloneB] : [aloneA, withB]
      const [p, q] = [f.probability[i]!, g.probability[j]!]
      const [pSlope, qSlope] = [f.slope[i]! * q, p * g.slope[j]!]
      take(count, p * q, pSlope, qSlope, i < j ? pSlope : qSlope)
    }
    const count = pairs[i * (highest + 2)]!
    const rate = rateOf(range, i)
    const none = Math.exp(-(onlyA + onlyB + both) * rate)
    if (i === 0) {
      take(count, none, -rate * none, -rate * none, -rate * none)
      continue
    }
    // Both have the value: from a value that both have, or each from one of its own.
    const [ownA, ownB, shared] = [-Math.expm1(-onlyA * rate), -Math.expm1(-onlyB * rate), -Math.expm1(-both * rate)]
    const p = shared + (1 - shared) * ownA * ownB
    const pa = rate * (1 - shared) * (1 - ownA) * ownB
    const pb = rate * (1 - shared) * (1 - ownB) * ownA
    const px = rate * (1 - shared) * (1 - ownA * ownB)
    if (i === highest) take(count, p, pa, pb, px)
    else take(count, none * p, none * (pa - rate * p), none * (pb - rate * p), none * (px - rate * p))
  }
  return { likelihood, gradient, information }
}

/**
 * Fisher scoring on the logarithms of the three numbers, so that none becomes negative; a step that
 * makes the registers less likely is halved.
 */
function mostLikely(range: RegisterRange, pairs: Float64Array, start: Triple): Triple {
  let counts = start
  let here = look(range, pairs, counts)
  for (let round = 0; round < 100; round += 1) {
    const step = solve(here.information, here.gradient)
    const relative = step.map((change, at) => Math.min(2, Math.max(-2, change / counts[at]!))) as [number, number, number]
    let scale = 1
    let next = counts
    let there = here
    for (; scale > 1e-4; scale /= 2) {
      next = counts.map((count, at) => Math.max(tiny, count * Math.exp(scale * relative[at]!))) as [number, number, number]
      there = look(range, pairs, next)
      if (there.likelihood >= here.likelihood) break
    }
    const gain = there.likelihood - here.likelihood
    if (!(gain >= 0)) break
    counts = next
    here = there
    if (gain < 1e-9) break
  }
  return counts.map((count) => (count < 1e-3 ? 0 : count)) as [number, number, number]
}

/** Not 0: there the logarithm ends. */
const tiny = 1e-6

/**
 * The covariance of the three numbers.
 *
 * Where one of them is 0, or so small that no register would tell, the information there is that
 * of a number which a single register would be expected to show.
 */
function countCovariance(range: RegisterRange, counts: Triple): Symmetric {
  const floored = counts.map((count) => Math.max(count, tiny)) as [number, number, number]
  const none = new Float64Array((range.highest + 1) ** 2)
  let { information } = look(range, none, floored)
  for (let doubling = 0; doubling < 200; doubling += 1) {
    const shown = [information[0], information[3], information[5]].map((value, at) => value * floored[at]! ** 2)
    if (shown.every((value) => value >= 1)) break
    for (const at of [0, 1, 2]) if (shown[at]! < 1) floored[at]! *= 1.5
    information = look(range, none, floored).information
  }
  const [c00, c01, c02, c11, c12, c22] = inverse(information)
  // As for one sketch: the numbers themselves are no chance here.
  return [c00 - floored[0], c01, c02, c11 - floored[1], c12, c22 - floored[2]]
}

const quadratic = ([c00, c01, c02, c11, c12, c22]: Symmetric, [x, y, z]: Triple): number =>
  c00 * x * x + c11 * y * y + c22 * z * z + 2 * (c01 * x * y + c02 * x * z + c12 * y * z)

function inverse([a, b, c, d, e, f]: Symmetric): Symmetric {
  const [i00, i01, i02] = [d * f - e * e, c * e - b * f, b * e - c * d]
  const determinant = a * i00 + b * i01 + c * i02
  return [i00, i01, i02, a * f - c * c, b * c - a * e, a * d - b * b].map((value) => value / determinant) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
}

function solve(matrix: Symmetric, [x, y, z]: Triple): Triple {
  const [c00, c01, c02, c11, c12, c22] = inverse(matrix)
  return [c00 * x + c01 * y + c02 * z, c01 * x + c11 * y + c12 * z, c02 * x + c12 * y + c22 * z]
}
