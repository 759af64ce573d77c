import { estimateOf, type Estimate } from './estimate.ts'
import { rateOf, valueModel, type RegisterRange, type ValueModel } from './registerModel.ts'
import type { Registers } from './registers.ts'

/** How many values two sets have and how many they share, from their sketches. */
export interface HllOverlap {
  readonly a: Estimate
  readonly b: Estimate
  readonly union: Estimate
  readonly intersection: Estimate
  /** The values in both divided by the values in either, 0..1; 0 for two empty sets. */
  readonly jaccard: Estimate
  /** The values in both divided by those of one set, 0..1; 0 for an empty set. */
  readonly shareOfA: Estimate
  readonly shareOfB: Estimate
}

/** One of two sketches: its registers and its number of values, with error 0 if that is exact. */
export interface OverlapSide {
  readonly registers: Registers
  readonly size: Estimate
}

/** Two sets of known size whose common values were counted. */
export function exactOverlap(a: number, b: number, both: number): HllOverlap {
  const exactly = (value: number) => estimateOf(value, 0)
  const share = (all: number) => exactly(all === 0 ? 0 : both / all)
  const union = a + b - both
  return {
    a: exactly(a),
    b: exactly(b),
    union: exactly(union),
    intersection: exactly(both),
    jaccard: share(union),
    shareOfA: share(a),
    shareOfB: share(b),
  }
}

/** Two sets of which one is empty. */
export function disjointOverlap(a: Estimate, b: Estimate): HllOverlap {
  const none = estimateOf(0, 0)
  return { a, b, union: a.estimate === 0 ? b : a, intersection: none, jaccard: none, shareOfA: none, shareOfB: none }
}

/**
 * The number of common values that makes the registers of both sketches most likely, for sizes that
 * each sketch estimates on its own.
 *
 * Fitting the sizes as well, as Ertl does, gains almost nothing: over 200 seeds the errors of
 * intersections agree to 2 %. Only a union in which one set contains the other is a tenth better.
 *
 * Literature: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017),
 * section 4.
 */
export function jointOverlap(range: RegisterRange, a: OverlapSide, b: OverlapSide): HllOverlap {
  const [sizeA, sizeB] = [a.size.estimate, b.size.estimate]
  const both = mostLikely(range, comparePairs(range, a.registers, b.registers), sizeA, sizeB)
  const covariance = overlapCovariance(range, a.size, b.size, both)
  const sum = (value: number, weights: Triple) => estimateOf(value, Math.sqrt(Math.max(0, quadratic(covariance, weights))))
  const union = sizeA + sizeB - both
  const [jaccard, shareOfA, shareOfB] = [both / union, both / sizeA, both / sizeB]
  return {
    a: a.size,
    b: b.size,
    union: sum(union, [1, 1, -1]),
    intersection: sum(both, [0, 0, 1]),
    // To the first order: the derivatives of a ratio by each of the three.
    jaccard: sum(jaccard, [-jaccard / union, -jaccard / union, (1 + jaccard) / union]),
    shareOfA: sum(shareOfA, [-shareOfA / sizeA, 0, 1 / sizeA]),
    shareOfB: sum(shareOfB, [0, -shareOfB / sizeB, 1 / sizeB]),
  }
}

/** By register value: how many registers are greater here, greater there, or equal. */
interface PairCounts {
  readonly greaterA: Float64Array
  readonly greaterB: Float64Array
  readonly equal: Float64Array
}

function comparePairs({ highest }: RegisterRange, a: Registers, b: Registers): PairCounts {
  const [greaterA, greaterB, equal] = [0, 0, 0].map(() => new Float64Array(highest + 1)) as [Float64Array, Float64Array, Float64Array]
  a.forEach((value, at) => {
    const other = b[at]!
    const [counts, greater] = value > other ? [greaterA, value] : value < other ? [greaterB, other] : [equal, value]
    counts[greater]! += 1
  })
  return { greaterA, greaterB, equal }
}

/** The first and second derivative of the log-likelihood by the number of common values. */
function score(range: RegisterRange, { greaterA, greaterB, equal }: PairCounts, sizeA: number, sizeB: number, both: number) {
  let slope = equal[0]! * rateOf(range, 0)
  let curve = 0
  for (let value = 1; value <= range.highest; value += 1) {
    const [ofA, ofB, ofBoth] = [greaterA[value]!, greaterB[value]!, equal[value]!]
    const rate = rateOf(range, value)
    // Where both are below a value, neither has it; nothing is above the highest.
    if (value < range.highest) slope += rate * (ofA + ofB + ofBoth)
    for (const [count, own] of [
      [ofA, sizeA - both],
      [ofB, sizeB - both],
    ] as const) {
      if (count === 0) continue
      const odds = 1 / Math.expm1(own * rate)
      slope -= count * rate * odds
      curve -= count * rate ** 2 * odds * (1 + odds)
    }
    if (ofBoth > 0) {
      const { none, some } = equalAt(rate, sizeA, sizeB, both)
      const share = none / some
      slope += ofBoth * rate * share
      curve += ofBoth * rate ** 2 * share * (1 - share)
    }
  }
  return { slope, curve }
}

/**
 * For a register in both sketches, the probability that no value stands for at least this rate
 * (`none`), and that one in both, or one in each, does (`some`).
 */
function equalAt(rate: number, sizeA: number, sizeB: number, both: number): { none: number; some: number } {
  const [ownA, ownB, shared] = [sizeA - both, sizeB - both, both].map((mean) => -Math.expm1(-mean * rate)) as [number, number, number]
  return { none: (1 - ownA) * (1 - ownB) * (1 - shared), some: shared + (1 - shared) * ownA * ownB }
}

/**
 * Where the slope is 0, by Newton's method. A step that leaves the search interval goes to its
 * middle instead.
 */
function mostLikely(range: RegisterRange, pairs: PairCounts, sizeA: number, sizeB: number): number {
  const most = Math.min(sizeA, sizeB)
  if (score(range, pairs, sizeA, sizeB, 0).slope <= 0) return 0
  if (score(range, pairs, sizeA, sizeB, most * (1 - 1e-12)).slope >= 0) return most
  let [from, to, both] = [0, most, most / 2]
  for (let round = 0; round < 100; round += 1) {
    const { slope, curve } = score(range, pairs, sizeA, sizeB, both)
    if (slope > 0) from = both
    else to = both
    const newton = both - slope / curve
    const next = curve < 0 && newton > from && newton < to ? newton : (from + to) / 2
    const moved = Math.abs(next - both)
    both = next
    if (moved <= 1e-10 * most) break
  }
  return both
}

type Triple = readonly [number, number, number]
/** A symmetric matrix as its upper triangle: 00, 01, 02, 11, 12, 22. */
type Symmetric = readonly [number, number, number, number, number, number]

const quadratic = ([c00, c01, c02, c11, c12, c22]: Symmetric, [x, y, z]: Triple): number =>
  c00 * x * x + c11 * y * y + c22 * z * z + 2 * (c01 * x * y + c02 * x * z + c12 * y * z)

/**
 * The covariance of the two sizes and the number of common values.
 *
 * The common number solves an equation that contains the sizes. Its error therefore has two parts:
 * that of its own equation, by the Fisher information, and that of the sizes. The two are
 * independent, because the score of a size from one sketch has a mean that common values do not
 * change.
 */
function overlapCovariance(range: RegisterRange, a: Estimate, b: Estimate, both: number): Symmetric {
  const { xx, xa, xb, cross } = overlapInformation(range, a.estimate, b.estimate, both)
  // In the model the numbers are random themselves; these variances include that.
  const [va, vb] = [a.standardError ** 2 + a.estimate, b.standardError ** 2 + b.estimate]
  const vab = a.standardError === 0 || b.standardError === 0 ? both : cross * va * vb
  const vax = -(xa * va + xb * vab) / xx
  const vbx = -(xa * vab + xb * vb) / xx
  const vxx = (1 - xa * vax - xb * vbx) / xx
  return [va - a.estimate, vab - both, vax - both, vb - b.estimate, vbx - both, vxx - both]
}

/**
 * The Fisher information of the number of common values, with itself (`xx`) and with the two sizes
 * (`xa`, `xb`); and `cross`, the covariance of the sketches' scores of their own sizes.
 */
function overlapInformation(range: RegisterRange, sizeA: number, sizeB: number, both: number) {
  const { m, highest } = range
  const below = (size: number, value: number) => Math.exp(-size * rateOf(range, value - 1))
  // If few or no values are in one set only, their number is taken as the one that one register is
  // expected to show.
  const shownBy = (other: number) => {
    let shown = 0
    for (let value = 1; value <= highest; value += 1) shown += m * rateOf(range, value) * below(other, value)
    return shown
  }
  const ownA = Math.max(sizeA - both, 1 / shownBy(sizeB))
  const ownB = Math.max(sizeB - both, 1 / shownBy(sizeA))
  const [allA, allB] = [ownA + both, ownB + both]
  const [modelA, modelB, aloneA, aloneB] = [allA, allB, ownA, ownB].map((mean) => valueModel(range, mean)) as [
    ValueModel,
    ValueModel,
    ValueModel,
    ValueModel,
  ]
  let [xx, xa, xb, cross] = [0, 0, 0, 0]
  for (let value = 0; value <= highest; value += 1) {
    const rate = rateOf(range, value)
    const scoreA = scoreOf(modelA, value)
    const scoreB = scoreOf(modelB, value)
    const { none, some } = value === 0 ? { none: Math.exp(-(allA + allB - both) * rate), some: 1 } : equalAt(rate, allA, allB, both)
    const isOpen = value < highest
    const p = isOpen ? none * some : some
    cross += p * scoreA * scoreB
    if (p > 1e-300) {
      const open = isOpen ? rate : 0
      const x = (value === 0 ? 0 : (rate * none) / some) + open
      xx += p * x * x
      xa += p * x * ((value === 0 ? 0 : (rate * (Math.exp(-allA * rate) - none)) / some) - open)
      xb += p * x * ((value === 0 ? 0 : (rate * (Math.exp(-allB * rate) - none)) / some) - open)
    }
    if (value === 0) continue
    const rateBelow = rateOf(range, value - 1)
    const [belowA, belowB] = [below(allA, value), below(allB, value)]
    const [weightA, weightB] = [aloneA.slope[value]! * scoreOf(aloneA, value), aloneB.slope[value]! * scoreOf(aloneB, value)]
    xx += belowB * weightA + belowA * weightB
    xa += -belowB * weightA + rateBelow * belowA * aloneB.slope[value]!
    xb += -belowA * weightB + rateBelow * belowB * aloneA.slope[value]!
    cross -= rateBelow * (belowA * aloneB.probability[value]! * scoreB + belowB * aloneA.probability[value]! * scoreA)
  }
  return { xx: m * xx, xa: m * xa, xb: m * xb, cross: m * cross }
}

/** The derivative of the logarithm of a probability by the mean; 0 if the probability is 0. */
const scoreOf = ({ probability, slope }: ValueModel, value: number): number =>
  probability[value]! > 1e-300 ? slope[value]! / probability[value]! : 0
