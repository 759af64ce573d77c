import { readCount, readNanoseconds, readSpanId, readTraceId, type Reader } from '../../../schema/otlpValues.ts'
import type { Field, MessageType, Scalar } from '../protobuf/otlpMessages.ts'
import { wire } from '../protobuf/wire.ts'
import { ByteTable } from './byteTable.ts'
import { checked, fault, type Fields } from './fields.ts'
import { LatinTexts } from './latinTexts.ts'
import { Nanoseconds } from './nanoseconds.ts'

/** Texts that occur many times, for all requests. */
const knownTexts = new ByteTable<string>(8192, 256)
const nanoseconds = new Nanoseconds()

const wireOf: Readonly<Record<Scalar, number>> = {
  text: wire.length,
  bytes: wire.length,
  id8: wire.length,
  id16: wire.length,
  boolean: wire.varint,
  double: wire.fixed64,
  time: wire.fixed64,
  count: wire.fixed64,
  signed: wire.fixed64,
  varcount: wire.varint,
  integer: wire.varint,
  enum: wire.varint,
  zigzag: wire.varint,
  fixed32: wire.fixed32,
}

/** What nothing reads may nest this deeply: less than `readMessage` allows for all of a request. */
const maxDepth = 100
/** A tag or a length has five bytes at most. */
const longestVarint32 = 5

/** The fields of a request in protobuf. */
export class ProtobufFields implements Fields {
  readonly bytes: Uint8Array
  position: number
  lasting = false
  /** Where the current message ends. */
  #end: number
  readonly #view: DataView
  #field: Field | undefined
  #tag = 0
  readonly #latin: LatinTexts
  /** The halves of the integer read last. */
  #low = 0
  #high = 0

  /** Whether a message has been entered; the first is the one given. */
  #begun = false

  /** The fields of the message between two positions, after it is entered. */
  constructor(bytes: Uint8Array, from: number, to: number) {
    this.bytes = bytes
    this.position = from
    this.#end = to
    this.#latin = new LatinTexts(bytes, to)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  enter(): number {
    if (!this.#begun) {
      this.#begun = true
      return this.#end
    }
    const end = this.#lengthEnd()
    const outer = this.#end
    this.#end = end
    return outer
  }

  next(type: MessageType): string | undefined {
    while (this.position < this.#end) {
      const tag = this.#varint()
      const kind = tag & 7
      const field = type.fields.get(tag >>> 3)
      if (field === undefined) {
        if (tag < 8 || (kind === wire.length && type.holdsRecords)) throw fault
        this.#pass(kind)
        continue
      }
      const { of } = field
      const expected = typeof of === 'string' ? wireOf[of] : wire.length
      // The numbers of a list are packed.
      if (kind !== expected && !(field.repeated && kind === wire.length)) throw fault
      this.#field = field
      this.#tag = tag
      return field.name
    }
    if (this.position !== this.#end) throw fault
    return undefined
  }

  leave(outer: number): void {
    this.#end = outer
  }

  skip(depth = 0): void {
    if (depth > maxDepth) throw fault
    const of = this.#field!.of
    if (typeof of === 'string') {
      this.#pass(this.#tag & 7)
      return
    }
    const type = of()
    const outer = this.enter()
    while (this.next(type) !== undefined) this.skip(depth + 1)
    this.leave(outer)
  }

  /**
   * A list is its items one after the other; what is elsewhere in the message is another part of
   * it.
   */
  firstItem(): number {
    return this.#tag
  }

  nextItem(tag: number): number {
    const from = this.position
    if (from < this.#end && this.#varint() === tag) return tag
    this.position = from
    return 0
  }

  /** Between items are the tags of their field, and numbers may be packed or not. */
  get listKind(): number {
    return this.#tag
  }

  listEnd(): number {
    const from = this.position
    let end = this.#lengthEnd()
    this.position = end
    while (this.nextItem(this.#tag) !== 0) this.position = end = this.#lengthEnd()
    this.position = from
    return end
  }

  isListEnd(end: number): boolean {
    if (end > this.#end) return false
    const from = this.position
    this.position = end
    const isEnd = this.nextItem(this.#tag) === 0
    this.position = from
    return isEnd
  }

  text(): string {
    const end = this.#lengthEnd()
    const { bytes, position: from } = this
    this.position = end
    let bits = 0
    for (let at = from; at < end; at += 1) bits |= bytes[at]!
    if (bits >= 128) return this.#utf8(from, end)
    return this.lasting ? this.#latin.whole(from, end) : this.#latin.part(from, end)
  }

  knownText(): string {
    const end = this.#lengthEnd()
    const from = this.position
    this.position = end
    const known = knownTexts.get(this.bytes, from, end)
    if (known !== undefined) return known
    const text = this.#utf8(from, end)
    knownTexts.add(this.bytes, from, end, text)
    return text
  }

  boolean(): boolean {
    this.#varint64()
    return (this.#low | this.#high) !== 0
  }

  id(length: 8 | 16): string {
    const end = this.#lengthEnd()
    const from = this.position
    this.position = end
    if (end !== from && end - from !== length) throw fault
    return checked((length === 16 ? readTraceId : readSpanId)(Buffer.prototype.hexSlice.call(this.bytes, from, end)))
  }

  nanoseconds(): bigint {
    this.#fixed64()
    return checked(readNanoseconds(nanoseconds.ofHalves(this.#high, this.#low)))
  }

  double(): number {
    const from = this.position
    this.#passBytes(8)
    return this.#view.getFloat64(from, true)
  }

  integer(): number {
    const { of } = this.#field!
    if (of === 'signed') {
      this.#fixed64()
      return signed(this.#high, this.#low)
    }
    this.#varint64()
    return of === 'zigzag' ? (this.#low >>> 1) ^ -(this.#low & 1) : this.#low
  }

  count(): number {
    if (this.#field!.of === 'varcount') this.#varint64()
    else this.#fixed64()
    return checked(readCount((this.#high >>> 0) * 2 ** 32 + (this.#low >>> 0)))
  }

  enumeration(read: Reader<number>): number {
    return checked(read(this.integer()))
  }

  counts(list: number[]): void {
    const outer = this.#enterPacked()
    while (this.position < this.#end) list.push(this.count())
    this.leave(outer)
  }

  doubles(list: number[]): void {
    const outer = this.#enterPacked()
    while (this.position < this.#end) list.push(this.double())
    this.leave(outer)
  }

  /** The numbers of a list are packed as one value; a single one is not expected. */
  #enterPacked(): number {
    if ((this.#tag & 7) !== wire.length) throw fault
    return this.enter()
  }

  written(): string | number {
    const { of } = this.#field!
    if (of === 'double') return this.double()
    this.#varint64()
    const number = signed(this.#high, this.#low)
    return Number.isSafeInteger(number) ? String(number) : String(BigInt.asIntN(64, nanoseconds.ofHalves(this.#high, this.#low)))
  }

  base64(): string {
    const end = this.#lengthEnd()
    const from = this.position
    this.position = end
    return Buffer.prototype.base64Slice.call(this.bytes, from, end)
  }

  /** Where the value ends; the position is then after its length. */
  #lengthEnd(): number {
    const length = this.#varint()
    const end = this.position + length
    if (end > this.#end) throw fault
    return end
  }

  #pass(kind: number): void {
    if (kind === wire.varint) this.#varint64()
    else if (kind === wire.fixed64) this.#passBytes(8)
    else if (kind === wire.fixed32) this.#passBytes(4)
    else if (kind === wire.length) this.position = this.#lengthEnd()
    else throw fault
  }

  #passBytes(length: number): void {
    this.position += length
    if (this.position > this.#end) throw fault
  }

  #fixed64(): void {
    const from = this.position
    this.#passBytes(8)
    this.#low = this.#view.getInt32(from, true)
    this.#high = this.#view.getInt32(from + 4, true)
  }

  /** A tag, or a length. */
  #varint(): number {
    const { bytes } = this
    const first = bytes[this.position]!
    if (first < 128 && this.position < this.#end) {
      this.position += 1
      return first
    }
    const from = this.position
    this.#varint64()
    if (this.#high !== 0 || this.position - from > longestVarint32) throw fault
    return this.#low >>> 0
  }

  #varint64(): void {
    const { bytes } = this
    let [low, high] = [0, 0]
    let at = this.position
    for (let shift = 0; ; shift += 7) {
      if (at >= this.#end || shift > 63) throw fault
      const byte = bytes[at]!
      at += 1
      const bits = byte & 127
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (shift - 32)
      if (byte < 128) {
        // The tenth byte has one bit.
        if (shift === 63 && byte > 1) throw fault
        break
      }
    }
    this.position = at
    this.#low = low
    this.#high = high
  }

  #utf8(from: number, to: number): string {
    return Buffer.prototype.utf8Slice.call(this.bytes, from, to)
  }
}

const signed = (high: number, low: number): number => (high | 0) * 2 ** 32 + (low >>> 0)
