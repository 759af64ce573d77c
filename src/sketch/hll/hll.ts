import { z } from 'zod'
import { InvalidInputError } from '../../schema/errors.ts'
import { parseOptions, preview } from '../../schema/parse.ts'
import { classicCardinality } from './classic.ts'
import { ertlCardinality } from './ertl.ts'
import { classicError, ertlError, estimateOf, type Estimate } from './estimate.ts'
import { ExplicitSet } from './explicitSet.ts'
import { defaultType, hashInto, type HashableValue, type HashedType } from './hash.ts'
import {
  checkSameParameters,
  explicitLimit,
  highestRegister,
  hllOptions,
  mostExplicit,
  type HllOptions,
  type HllParameters,
} from './hllParameters.ts'
import { hashed } from './murmurHash3.ts'
import { disjointOverlap, exactOverlap, jointOverlap, type HllOverlap } from './overlap.ts'
import { hexBytes, hexText } from '../hexText.ts'
import { packHll, representationOf, unpackHll, type HllContent, type HllRepresentation } from './packing.ts'
import type { RegisterRange } from './registerModel.ts'
import { addToRegisters, foldRegisters, mergeRegisters, type Registers } from './registers.ts'

export interface CardinalityOptions {
  /**
   * `'classic'`, the default: the extension's number, to the last bit. `'ertl'`: from the same
   * registers, without the bias around 2.5 values for each register.
   */
  estimator?: 'classic' | 'ertl' | undefined
}

export const cardinalityOptions = z.strictObject({
  estimator: z.enum(['classic', 'ertl'], "must be 'classic' or 'ertl'").default('classic'),
})

/**
 * A sketch that counts distinct values: HyperLogLog, in the bytes of PostgreSQL's extension `hll`
 * (postgresql-hll). The extension itself is not needed.
 *
 * | number of values | kept as | `cardinality()` |
 * |---|---|---|
 * | none | `empty` | 0 |
 * | up to the explicit threshold, 160 by default | `explicit`: their 64-bit hashes | exact |
 * | more | `sparse` or `full`: `2 ** log2m` registers | standard error 1.04 / sqrt(2 ** log2m): 2.3 % by default |
 *
 * The bytes are the same as the extension's for the same values, by `hll_add_agg` or any tree of
 * unions. Sketches are mutable: do not share them.
 *
 * Literature: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (2007); postgresql-hll's storage
 * specification 1.0.0.
 *
 * @example
 * const users = Hll.create()
 * for (const id of ['u-1', 'u-2', 'u-1']) users.add(id)
 * users.cardinality() // 2
 * await sql`insert into visits (users) values (${users.toString()}::hll)`.execute(db)
 *
 * // the same in SQL: select hll_add_agg(hll_hash_text(id)) from (values ('u-1'), ('u-2'), ('u-1')) as visit (id)
 */
export class Hll implements HllParameters {
  readonly log2m: number
  readonly regwidth: number
  readonly expthresh: number
  readonly sparseon: 0 | 1
  readonly #explicitLimit: number
  readonly #highest: number
  #isUndefined = false
  /** Hashes, up to the threshold. With neither these nor registers the sketch is empty. */
  #explicit: ExplicitSet | undefined
  #registers: Registers | undefined

  private constructor(parameters: HllParameters) {
    this.log2m = parameters.log2m
    this.regwidth = parameters.regwidth
    this.expthresh = parameters.expthresh
    this.sparseon = parameters.sparseon
    this.#explicitLimit = explicitLimit(parameters)
    this.#highest = highestRegister(parameters)
  }

  /**
   * An empty sketch.
   *
   * @throws InvalidInputError naming the parameter that is out of range.
   * @example
   * Hll.create({ log2m: 14 }) // standard error 0.8 %, 10 kB when full
   *
   * // select hll_empty(14)
   */
  static create(options: HllOptions = {}): Hll {
    return new Hll(parseOptions(hllOptions, options))
  }

  /**
   * Restores a sketch from its bytes: from `toBytes`, or from a column of type `hll` cast to
   * `bytea`.
   *
   * @throws InvalidInputError naming the first wrong byte and the problem. It is stricter than the
   * extension: padding must be 0, and sparse registers must ascend.
   */
  static fromBytes(bytes: Uint8Array): Hll {
    if (!(bytes instanceof Uint8Array)) throw new InvalidInputError('bytes', `must be a Uint8Array, got ${preview(bytes)}`)
    const { parameters, content } = unpackHll(bytes)
    const sketch = new Hll(parameters)
    sketch.#isUndefined = content.kind === 'undefined'
    if (content.kind === 'explicit') sketch.#explicit = content.values
    if (content.kind === 'registers') sketch.#registers = content.registers
    return sketch
  }

  /**
   * Restores a sketch from a column of type `hll` as drivers give it: `\x` and hexadecimal digits.
   *
   * @throws InvalidInputError if the text does not hold bytes, or the bytes are not a sketch.
   */
  static fromString(text: string): Hll {
    return Hll.fromBytes(hexBytes(text))
  }

  /** The representation that `toBytes` uses. */
  get representation(): HllRepresentation {
    return representationOf(this, this.#content())
  }

  /**
   * Counts a value.
   *
   * | value | can be hashed as | default |
   * |---|---|---|
   * | string | `text`: UTF-8 | `text` |
   * | `Uint8Array` | `bytea` | `bytea` |
   * | boolean | `boolean` | `boolean` |
   * | number | `integer`, `smallint`, `bigint` | `integer` |
   * | bigint | `bigint`, `integer`, `smallint` | `bigint` |
   *
   * The type matters: 5 as `integer` and 5 as `bigint` are two values, as they are for
   * `hll_hash_integer` and `hll_hash_bigint`. Use the type of the SQL column.
   *
   * @throws InvalidInputError if the value does not fit the type: a fraction, a number out of
   * range, a text with a NUL character or a lone surrogate (PostgreSQL's `text` has neither).
   */
  add(value: HashableValue, type: HashedType = defaultType(value)): this {
    hashInto(value, type, 0)
    this.#addHalves(hashed[0]!, hashed[1]!)
    return this
  }

  /**
   * Counts a value by its hash: a signed 64-bit number, from the functions `hll_hash_*`, `hashText`
   * and similar ones.
   *
   * @throws InvalidInputError if it is not a signed 64-bit number.
   */
  addHash(hash: bigint): this {
    if (typeof hash !== 'bigint' || BigInt.asIntN(64, hash) !== hash)
      throw new InvalidInputError('hash', `must be a bigint of 64 bits with its sign, got ${preview(hash)}`)
    halves.setBigInt64(0, hash)
    this.#addHalves(halves.getInt32(4), halves.getInt32(0))
    return this
  }

  /**
   * A new sketch of the values in either, equal to a sketch of all of them.
   *
   * @throws InvalidInputError naming the parameter in which the two differ, and both values.
   * @example
   * monday.union(tuesday).cardinality() // users on either day
   *
   * // select hll_union(monday, tuesday)
   */
  union(other: Hll): Hll {
    return this.copy().merge(other)
  }

  /**
   * Adds all values of another sketch to this one: `union` without a copy.
   *
   * @throws InvalidInputError naming the parameter in which the two differ, and both values.
   */
  merge(other: Hll): this {
    checkSameParameters(this, other)
    if (this.#isUndefined || other.#isUndefined) {
      this.#become(undefined, undefined)
      this.#isUndefined = true
    } else if (this.#explicit === undefined && this.#registers === undefined) {
      this.#become(other.#explicit?.copy(), other.#registers?.slice())
    } else if (other.#registers !== undefined) {
      const registers = this.#registers ?? this.#promoted()
      mergeRegisters(registers, other.#registers)
    } else if (other.#explicit !== undefined) {
      const { size } = other.#explicit
      // As in the extension: a union promotes an explicit set that foreign bytes made too large, an
      // add does not.
      for (let at = 0; at < size; at += 1) this.#addHalves(other.#explicit.low(at), other.#explicit.high(at), mostExplicit)
    }
    return this
  }

  /** An independent copy of the sketch. */
  copy(): Hll {
    const copy = new Hll(this)
    copy.#isUndefined = this.#isUndefined
    copy.#become(this.#explicit?.copy(), this.#registers?.slice())
    return copy
  }

  /**
   * The sketch that the same values would give with fewer registers. Use it to merge sketches of
   * different sizes.
   *
   * @param log2m The logarithm of the number of registers: from 4 to this sketch's own.
   * @throws InvalidInputError if `log2m` is out of range.
   */
  fold(log2m: number): Hll {
    if (!Number.isInteger(log2m) || log2m < 4 || log2m > this.log2m)
      throw new InvalidInputError('log2m', `must be between 4 and ${this.log2m}, which this sketch has, got ${preview(log2m)}`)
    const folded = new Hll({ ...this.#parameters(), log2m })
    folded.#isUndefined = this.#isUndefined
    if (this.#registers !== undefined) folded.#registers = foldRegisters(this.#registers, log2m, folded.#highest)
    if (this.#explicit !== undefined) {
      folded.#explicit = this.#explicit.copy()
      if (folded.#explicit.size > folded.#explicitLimit) folded.#promoted()
    }
    return folded
  }

  /**
   * The approximate number of distinct values; exact for an explicit sketch. NaN for an `undefined`
   * sketch, where the extension gives NULL.
   *
   * @throws InvalidInputError naming the option that is wrong.
   * @example
   * // of the texts from u-1 to u-5000
   * sketch.cardinality() // 4890.98..., what hll_cardinality(sketch) gives
   * sketch.cardinality({ estimator: 'ertl' }) // 4900.48...
   */
  cardinality(options: CardinalityOptions = {}): number {
    const { estimator } = parseOptions(cardinalityOptions, options)
    if (this.#isUndefined) return Number.NaN
    if (this.#registers === undefined) return this.#explicit?.size ?? 0
    return estimator === 'ertl' ? ertlCardinality(this, this.#registers) : classicCardinality(this, this.#registers)
  }

  /**
   * The same number with its standard error, and whether it is `noise`.
   *
   * The standard error follows from theory and is measured in the tests: by default 2.3 % for large
   * numbers, less for small ones, and 0 for explicit sketches. The classic estimator's includes its
   * bias: around 2.5 values for each register it is half as large again.
   *
   * @throws InvalidInputError naming the option that is wrong.
   * @example
   * sketch.estimate({ estimator: 'ertl' }) // { estimate: 4900.48..., standardError: 92.09..., noise: false }
   */
  estimate(options: CardinalityOptions = {}): Estimate {
    const { estimator } = parseOptions(cardinalityOptions, options)
    const count = this.cardinality({ estimator })
    if (this.#isUndefined || this.#registers === undefined) return estimateOf(count, 0)
    return estimateOf(count, (estimator === 'ertl' ? ertlError : classicError)(this.#range(), count))
  }

  /**
   * How many values this sketch (`a`) and another (`b`) have: each, together and in common; each
   * number with its standard error.
   *
   * | the two sketches | the answer |
   * |---|---|
   * | both explicit | exact |
   * | otherwise | the sizes by Ertl's estimator, as in `estimate`, and the common number that makes the registers of both most likely. This is better than adding and subtracting three cardinalities, especially for small overlaps |
   *
   * A small intersection of large sets is lost in their errors. For two sets of 100,000 with
   * default parameters, an intersection of 10 % is off by 15 %, and one of 1 % is `noise`. NaN if a
   * sketch is `undefined` or all its registers are at their limit.
   *
   * Literature: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017),
   * section 4.
   *
   * @throws InvalidInputError naming the parameter in which the two differ, and both values.
   * @example
   * // of the texts from u-1 to u-5000, and from u-4001 to u-9000
   * monday.overlap(tuesday).intersection // { estimate: 998.21..., standardError: 75.15..., noise: false }
   */
  overlap(other: Hll): HllOverlap {
    checkSameParameters(this, other)
    const [a, b] = [this.estimate({ estimator: 'ertl' }), other.estimate({ estimator: 'ertl' })]
    if (!Number.isFinite(a.estimate + b.estimate)) return exactOverlap(Number.NaN, Number.NaN, Number.NaN)
    const [mine, others] = [this.#explicit, other.#explicit]
    if (this.#registers === undefined && other.#registers === undefined)
      return exactOverlap(a.estimate, b.estimate, mine && others ? mine.common(others) : 0)
    if (a.estimate === 0 || b.estimate === 0) return disjointOverlap(a, b)
    return jointOverlap(this.#range(), { registers: this.registers(), size: a }, { registers: other.registers(), size: b })
  }

  /** The registers, one for each byte. For an explicit sketch: those that its values would set. */
  registers(): Uint8Array {
    if (this.#registers !== undefined) return this.#registers.slice()
    const registers = new Uint8Array(2 ** this.log2m)
    if (this.#explicit !== undefined) this.#addAll(this.#explicit, registers)
    return registers
  }

  /** The bytes that the extension stores; `::bytea::hll` takes them. */
  toBytes(): Uint8Array {
    return packHll(this, this.#content())
  }

  /** The bytes as text, `\x` and hexadecimal digits; `::hll` takes it. */
  toString(): string {
    return hexText(this.toBytes())
  }

  #content(): HllContent {
    if (this.#isUndefined) return { kind: 'undefined' }
    if (this.#registers !== undefined) return { kind: 'registers', registers: this.#registers }
    return this.#explicit === undefined ? { kind: 'empty' } : { kind: 'explicit', values: this.#explicit }
  }

  #range(): RegisterRange {
    return { m: 2 ** this.log2m, highest: this.#highest }
  }

  #parameters(): HllParameters {
    return { log2m: this.log2m, regwidth: this.regwidth, expthresh: this.expthresh, sparseon: this.sparseon }
  }

  #become(explicit: ExplicitSet | undefined, registers: Registers | undefined): void {
    this.#explicit = explicit
    this.#registers = registers
  }

  #addHalves(low: number, high: number, promotedFrom = this.#explicitLimit): void {
    if (this.#registers !== undefined) return addToRegisters(this.#registers, this.log2m, this.#highest, low, high)
    if (this.#isUndefined) return
    this.#explicit ??= new ExplicitSet(0)
    const place = this.#explicit.find(low, high)
    if (place >= 0) return
    const { size } = this.#explicit
    const isFull = size >= this.#explicitLimit && (size <= promotedFrom || size === mostExplicit)
    if (!isFull) this.#explicit.insert(-1 - place, low, high)
    else addToRegisters(this.#promoted(), this.log2m, this.#highest, low, high)
  }

  /** Replaces explicit values by registers. */
  #promoted(): Registers {
    const registers = this.registers()
    this.#become(undefined, registers)
    return registers
  }

  #addAll(values: ExplicitSet, registers: Registers): void {
    for (let at = 0; at < values.size; at += 1) addToRegisters(registers, this.log2m, this.#highest, values.low(at), values.high(at))
  }
}

const halves = new DataView(new ArrayBuffer(8))
