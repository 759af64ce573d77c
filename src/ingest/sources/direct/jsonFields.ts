import { readCount, readDouble, readInteger, readNanoseconds, readSpanId, readTraceId, type Reader } from '../../../schema/otlpValues.ts'
import type { Field, MessageType } from '../protobuf/otlpMessages.ts'
import { ByteTable } from './byteTable.ts'
import { checked, fault, type Fields } from './fields.ts'
import { LatinTexts } from './latinTexts.ts'
import { Nanoseconds } from './nanoseconds.ts'

const tab = 9
const lineFeed = 10
const carriageReturn = 13
const space = 32
const quote = 34
const plus = 43
const comma = 44
const minus = 45
const point = 46
const zero = 48
const nine = 57
const colon = 58
const capitalE = 69
const openBracket = 91
const backslash = 92
const closeBracket = 93
const underscore = 95
const letterA = 97
const letterE = 101
const letterF = 102
const letterN = 110
const letterT = 116
const openBrace = 123
const closeBrace = 125

const [nullWord, trueWord, falseWord] = [Buffer.from('null'), Buffer.from('true'), Buffer.from('false')]

const lastShift = 20
const hadBits = (1 << lastShift) - 1

/**
 * Whether a byte in a text is neither its end nor a control character, an escape, or above ASCII.
 */
const isPlain = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= space && byte < 128 && byte !== quote && byte !== backslash ? 1 : 0))

/** Unknown values may nest this deeply. */
const maxDepth = 500
/** A double holds as many digits exactly, and this power of ten. */
const exactDigits = 15
const powers = Array.from({ length: exactDigits + 1 }, (_, digits) => 10 ** digits)

/** Texts that occur many times, for all requests. */
const knownTexts = new ByteTable<string>(8192, 256)
const nanoseconds = new Nanoseconds()

/** The fields of a request in JSON, checked as `JSON.parse` does. */
export class JsonFields implements Fields {
  readonly bytes: Uint8Array
  position = 0
  lasting = false
  readonly listKind = 0
  /** Whether a message has just been entered: no comma comes before its first field. */
  #first = false
  /** The fields that the current message has had, a bit each; above them the number of the last. */
  #had = 0
  readonly #latin: LatinTexts
  /** Of the text passed over last. */
  #hasEscapes = false
  #isAscii = true

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#latin = new LatinTexts(bytes, bytes.length)
  }

  enter(): number {
    const outer = this.#had
    this.#take(openBrace)
    this.#had = 0
    this.#first = true
    return outer
  }

  next(type: MessageType): string | undefined {
    for (;;) {
      const byte = this.#blank()
      if (byte === closeBrace) {
        // No comma may be before it: then it is not here.
        this.position += 1
        this.#first = false
        return undefined
      }
      if (this.#first) this.#first = false
      else {
        if (byte !== comma) throw fault
        this.position += 1
      }
      const field = this.#name(type)
      if (field === undefined) continue
      const bit = 1 << field.number
      if ((this.#had & bit) !== 0) throw fault
      this.#had = (this.#had & hadBits) | bit | (field.number << lastShift)
      if (this.#blank() !== letterN) return field.name
      this.#passWord(nullWord)
    }
  }

  /** A field by its name. An unknown one is passed over, with its value. */
  #name(type: MessageType): Field | undefined {
    const { bytes } = this
    // Most messages have the fields in the order of the one before.
    const last = this.#had >>> lastShift
    const guess = type.following[last]
    if (guess !== undefined) {
      const { written } = guess
      let at = 0
      while (at < written.length && bytes[this.position + at] === written[at]) at += 1
      if (at === written.length) {
        this.position += at
        return guess
      }
    }
    this.#blank()
    const from = this.position + 1
    this.#passText()
    const to = this.position - 1
    if (this.#hasEscapes) throw fault
    this.#take(colon)
    const field = type.names.find(bytes, from, to)
    if (field === undefined) this.#passUnknown(type, from, to)
    else type.following[last] = field
    return field
  }

  leave(outer: number): void {
    this.#had = outer
  }

  /** Not an older or later name of records or their scope, nor one as in the `.proto` files. */
  #passUnknown(type: MessageType, from: number, to: number): void {
    if (type.holdsRecords) throw fault
    this.#blank()
    for (let at = from; at < to; at += 1) if (this.bytes[at] === underscore) throw fault
    this.#passValue(0)
  }

  skip(): void {
    this.#passValue(0)
  }

  firstItem(): number {
    this.#take(openBracket)
    if (this.#blank() !== closeBracket) return 1
    this.position += 1
    return 0
  }

  nextItem(): number {
    const byte = this.#blank()
    this.position += 1
    if (byte === comma) return 1
    if (byte === closeBracket) return 0
    throw fault
  }

  listEnd(): number {
    const from = this.position
    this.#passValue(0)
    const end = this.position
    this.position = from
    return end
  }

  /** The bracket at its end is a part of it. */
  isListEnd(): boolean {
    return true
  }

  text(): string {
    const from = this.position
    this.#passText()
    const end = this.position
    if (this.#hasEscapes) return JSON.parse(this.#utf8(from, end)) as string
    if (!this.#isAscii) return this.#utf8(from + 1, end - 1)
    return this.lasting ? this.#latin.whole(from + 1, end - 1) : this.#latin.part(from + 1, end - 1)
  }

  knownText(): string {
    const from = this.position
    this.#passText()
    const end = this.position
    const known = knownTexts.get(this.bytes, from, end)
    if (known !== undefined) return known
    const text = this.#hasEscapes ? (JSON.parse(this.#utf8(from, end)) as string) : this.#utf8(from + 1, end - 1)
    knownTexts.add(this.bytes, from, end, text)
    return text
  }

  boolean(): boolean {
    const value = this.#scalar()
    if (typeof value !== 'boolean') throw fault
    return value
  }

  id(length: 8 | 16): string {
    const { bytes, position: from } = this
    const end = from + 1 + 2 * length
    if (bytes[from] === quote && bytes[end] === quote) {
      let isZero = true
      let at = from + 1
      for (; at < end; at += 1) {
        const byte = bytes[at]!
        if (!((byte >= zero && byte <= nine) || (byte >= letterA && byte <= letterF))) break
        if (byte !== zero) isZero = false
      }
      if (at === end) {
        this.position = end + 1
        if (isZero) return ''
        return this.#latin.part(from + 1, end)
      }
    }
    return checked((length === 16 ? readTraceId : readSpanId)(this.#scalar()))
  }

  nanoseconds(): bigint {
    const { bytes, position: from } = this
    if (bytes[from] !== quote) return checked(readNanoseconds(this.#scalar()))
    // Nineteen digits at most, in two parts that a double holds exactly.
    let [high, low] = [0, 0]
    let at = from + 1
    for (; at < from + 20; at += 1) {
      const digit = bytes[at]! - zero
      if (!(digit >= 0 && digit <= 9)) break
      if (at < from + 11) high = high * 10 + digit
      else low = low * 10 + digit
    }
    if (bytes[at] !== quote || at === from + 1) return checked(readNanoseconds(this.#scalar()))
    this.position = at + 1
    const lowDigits = Math.max(0, at - from - 11)
    return nanoseconds.ofDecimal(high, low, lowDigits)
  }

  double(): number {
    return this.bytes[this.position] === quote ? checked(readDouble(this.text())) : this.#number()
  }

  integer(): number {
    const digits = this.#digits()
    return digits >= 0 ? digits : checked(readInteger(this.#scalar()))
  }

  count(): number {
    const digits = this.#digits()
    return digits >= 0 ? digits : checked(readCount(this.#scalar()))
  }

  /** A whole number of few digits, written as a text; -1 if it is not one. */
  #digits(): number {
    const { bytes, position: from } = this
    if (bytes[from] !== quote) return -1
    let value = 0
    let at = from + 1
    for (; at <= from + exactDigits; at += 1) {
      const digit = bytes[at]! - zero
      if (!(digit >= 0 && digit <= 9)) break
      value = value * 10 + digit
    }
    if (bytes[at] !== quote || at === from + 1) return -1
    this.position = at + 1
    return value
  }

  enumeration(read: Reader<number>): number {
    return checked(read(this.#scalar()))
  }

  counts(list: number[]): void {
    for (let item = this.firstItem(); item !== 0; item = this.nextItem()) {
      this.#blank()
      list.push(this.count())
    }
  }

  doubles(list: number[]): void {
    for (let item = this.firstItem(); item !== 0; item = this.nextItem()) {
      this.#blank()
      list.push(this.double())
    }
  }

  written(): string | number {
    const value = this.#scalar()
    if (typeof value === 'boolean') throw fault
    return value
  }

  base64(): string {
    return this.text()
  }

  #scalar(): string | number | boolean {
    const byte = this.bytes[this.position]
    if (byte === quote) return this.text()
    if (byte === letterT) {
      this.#passWord(trueWord)
      return true
    }
    if (byte === letterF) {
      this.#passWord(falseWord)
      return false
    }
    return this.#number()
  }

  #number(): number {
    const { bytes, position: from } = this
    let value = 0
    let fraction = -1
    let at = from
    for (; at <= from + exactDigits; at += 1) {
      const byte = bytes[at]!
      if (byte === point && fraction < 0) fraction = 0
      else if (byte >= zero && byte <= nine) {
        value = value * 10 + byte - zero
        if (fraction >= 0) fraction += 1
      } else break
    }
    this.#passNumber()
    if (at !== this.position || at - from > exactDigits) return Number(this.#latin.whole(from, this.position))
    // Both are exact in a double, so their quotient is the double nearest to the number.
    return fraction > 0 ? value / powers[fraction]! : value
  }

  #passNumber(): void {
    const { bytes } = this
    if (bytes[this.position] === minus) this.position += 1
    if (bytes[this.position] === zero) this.position += 1
    else this.#passDigits()
    if (bytes[this.position] === point) {
      this.position += 1
      this.#passDigits()
    }
    if (bytes[this.position] === letterE || bytes[this.position] === capitalE) {
      this.position += 1
      const sign = bytes[this.position]
      if (sign === plus || sign === minus) this.position += 1
      this.#passDigits()
    }
  }

  #passDigits(): void {
    const { bytes, position: from } = this
    let at = from
    while (bytes[at]! >= zero && bytes[at]! <= nine) at += 1
    if (at === from) throw fault
    this.position = at
  }

  #passText(): void {
    const { bytes } = this
    let at = this.position
    if (bytes[at] !== quote) throw fault
    at += 1
    this.#hasEscapes = false
    this.#isAscii = true
    for (;;) {
      while (isPlain[bytes[at]!] === 1) at += 1
      const byte = bytes[at]!
      if (byte === quote) break
      if (byte >= 128) this.#isAscii = false
      else if (byte === backslash) {
        this.#hasEscapes = true
        at += 1
      } else throw fault
      at += 1
    }
    this.position = at + 1
  }

  #passWord(word: Uint8Array): void {
    for (const byte of word) if (this.bytes[this.position++] !== byte) throw fault
  }

  #passValue(depth: number): void {
    if (depth > maxDepth) throw fault
    const byte = this.bytes[this.position]
    if (byte === quote) this.#passCheckedText()
    else if (byte === openBrace) this.#passObject(depth)
    else if (byte === openBracket) {
      for (let item = this.firstItem(); item !== 0; item = this.nextItem()) {
        this.#blank()
        this.#passValue(depth + 1)
      }
    } else if (byte === letterT) this.#passWord(trueWord)
    else if (byte === letterF) this.#passWord(falseWord)
    else if (byte === letterN) this.#passWord(nullWord)
    else this.#passNumber()
  }

  #passCheckedText(): void {
    const from = this.position
    this.#passText()
    if (this.#hasEscapes) JSON.parse(this.#utf8(from, this.position))
  }

  #passObject(depth: number): void {
    this.position += 1
    if (this.#blank() === closeBrace) {
      this.position += 1
      return
    }
    for (;;) {
      this.#passCheckedText()
      this.#take(colon)
      this.#blank()
      this.#passValue(depth + 1)
      const byte = this.#blank()
      this.position += 1
      if (byte === closeBrace) return
      if (byte !== comma) throw fault
      this.#blank()
    }
  }

  /** Whether nothing but white space follows. */
  get isAtEnd(): boolean {
    return this.#blank() === undefined
  }

  /** Passes over white space; returns the byte after it. */
  #blank(): number | undefined {
    const { bytes } = this
    let byte = bytes[this.position]
    while (byte === space || byte === lineFeed || byte === carriageReturn || byte === tab) {
      this.position += 1
      byte = bytes[this.position]
    }
    return byte
  }

  #take(byte: number): void {
    if (this.#blank() !== byte) throw fault
    this.position += 1
  }

  #utf8(from: number, to: number): string {
    return Buffer.prototype.utf8Slice.call(this.bytes, from, to)
  }
}
