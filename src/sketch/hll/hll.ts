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
import { hexBytes, hexText, packHll, representationOf, unpackHll, type HllContent, type HllRepresentation } from './packing.ts'
import type { RegisterRange } from './registerModel.ts'
import { addToRegisters, foldRegisters, mergeRegisters, type Registers } from './registers.ts'

export interface CardinalityOptions {
  /**
   * `'classic'`, the default: the extension's number, to the last bit. `'ertl'`: from the same
   * registers, without its bias around 2.5 values a register.
   */
  estimator?: 'classic' | 'ertl' | undefined
}

export const cardinalityOptions = z.strictObject({
  estimator: z.enum(['classic', 'ertl'], "must be 'classic' or 'ertl'").default('classic'),
})

/**
 * A sketch that counts distinct values: HyperLogLog, in the bytes of PostgreSQL's extension `hll`
 * (postgresql-hll), which it neither needs nor loads.
 *
 * | values | kept as | `cardinality()` |
 * |---|---|---|
 * | none | `empty` | 0 |
 * | up to the explicit threshold: 160 by default | `explicit`: their 64-bit hashes | exact |
 * | more | `sparse` or `full`: `2 ** log2m` registers | standard error 1.04 / sqrt(2 ** log2m): 2.3 % by default |
 *
 * What the extension makes of the same values, by `hll_add_agg` or any tree of unions, is the same
 * bytes. Sketches are mutable: one owner each.
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
  /** Hashes, until there are too many of them. Neither these nor registers: empty. */
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
   * The sketch in these bytes: what `toBytes` gave, or a column of type `hll` cast to `bytea`.
   *
   * @throws InvalidInputError naming the first byte that is wrong and why. Stricter than the
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
   * The sketch in a column of type `hll` as drivers give it: `\x` and hexadecimal digits.
   *
   * @throws InvalidInputError where the text is no bytes, or the bytes are no sketch.
   */
  static fromString(text: string): Hll {
    return Hll.fromBytes(hexBytes(text))
  }

  /** How `toBytes` stores it. */
  get representation(): HllRepresentation {
    return representationOf(this, this.#content())
  }

  /**
   * Counts a value.
   *
   * | value | is hashed as | by default |
   * |---|---|---|
   * | string | `text`: UTF-8 | yes |
   * | `Uint8Array` | `bytea` | yes |
   * | boolean | `boolean` | yes |
   * | number | `integer`, `smallint`, `bigint` | `integer` |
   * | bigint | `bigint`, `integer`, `smallint` | `bigint` |
   *
   * The type matters: 5 as `integer` and 5 as `bigint` are two values, as they are for
   * `hll_hash_integer` and `hll_hash_bigint`. Take the type that the column has in SQL.
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
   * Counts a value by its hash: a signed 64-bit number, as the functions `hll_hash_*` and
   * `hashText` and its kin give it.
   *
   * @throws InvalidInputError if it is no signed 64-bit number.
   */
  addHash(hash: bigint): this {
    if (typeof hash !== 'bigint' || BigInt.asIntN(64, hash) !== hash)
      throw new InvalidInputError('hash', `must be a bigint of 64 bits with its sign, got ${preview(hash)}`)
    halves.setBigInt64(0, hash)
    this.#addHalves(halves.getInt32(4), halves.getInt32(0))
    return this
  }

  /**
   * A new sketch of the values in either: what a sketch of all of them would be.
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
   * Takes all values of another sketch into this one: `union` without a copy.
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
      // A union promotes a set of values that foreign bytes made larger than it may be; an add does not.
      for (let at = 0; at < size; at += 1) this.#addHalves(other.#explicit.low(at), other.#explicit.high(at), mostExplicit)
    }
    return this
  }

  /** A sketch of the same values that changes without this one. */
  copy(): Hll {
    const copy = new Hll(this)
    copy.#isUndefined = this.#isUndefined
    copy.#become(this.#explicit?.copy(), this.#registers?.slice())
    return copy
  }

  /**
   * The sketch that the same values would have made with fewer registers: so sketches of two
   * resolutions can be merged after all.
   *
   * @param log2m The logarithm of the number of registers: 4 to what this sketch has.
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
   * How many distinct values were counted, about; exact where they are kept as they are. NaN where
   * the extension has NULL: of an `undefined` sketch.
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
   * The standard error is exact in theory and measured in the tests: by default 2.3 % of large
   * numbers, less of small ones, 0 where the values are kept as they are. The classic estimator's
   * has its bias in it: around 2.5 values a register it is half as large again.
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
   * How many values this sketch (`a`) and another (`b`) have, each, together and in common; each
   * number with its standard error.
   *
   * | the two | the answer |
   * |---|---|
   * | keep their values as they are | exact |
   * | else | the sizes by Ertl's estimator, as `estimate` gives them, and the number in common that makes the registers of both most likely: better than adding and subtracting three cardinalities, the more so the less they share |
   *
   * A small intersection of large sets drowns in their errors: of two sets of 100,000 by default,
   * one of 10 % is off by 15 %, one of 1 % is `noise`. NaN with a sketch that is
   * `undefined`, or whose registers are all at their limit.
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

  /**
   * The registers, one a byte: those that its values would have set where they are kept as they
   * are.
   */
  registers(): Uint8Array {
    if (this.#registers !== undefined) return this.#registers.slice()
    const registers = new Uint8Array(2 ** this.log2m)
    if (this.#explicit !== undefined) this.#addAll(this.#explicit, registers)
    return registers
  }

  /** The bytes that the extension stores: what `::bytea::hll` takes. */
  toBytes(): Uint8Array {
    return packHll(this, this.#content())
  }

  /** The bytes as text: `\x` and hexadecimal digits, what `::hll` takes. */
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

  /** Puts registers in the place of the values that are kept as they are. */
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
