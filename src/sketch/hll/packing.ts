import { InvalidInputError } from '../../schema/errors.ts'
import { ExplicitSet } from './explicitSet.ts'
import { highestRegister, mostExplicit, type HllParameters } from './hllParameters.ts'
import type { Registers } from './registers.ts'

/*
 * The bytes follow postgresql-hll's storage specification 1.0.0, schema version 1: one byte with
 * version and representation, one with parameters, one with thresholds, then the data.
 */

/** The content of a sketch; `registers` are stored sparsely or in full, whichever is shorter. */
export type HllContent =
  | { readonly kind: 'undefined' | 'empty' }
  | { readonly kind: 'explicit'; readonly values: ExplicitSet }
  | { readonly kind: 'registers'; readonly registers: Registers }

/**
 * How a sketch is stored. `undefined` is the extension's mark for an operation without a result.
 */
export type HllRepresentation = 'undefined' | 'empty' | 'explicit' | 'sparse' | 'full'

const representations: readonly HllRepresentation[] = ['undefined', 'empty', 'explicit', 'sparse', 'full']

const headBytes = 3

export function representationOf(parameters: HllParameters, content: HllContent): HllRepresentation {
  if (content.kind !== 'registers') return content.kind
  return isSparse(parameters, filled(content.registers)) ? 'sparse' : 'full'
}

const filled = (registers: Registers): number => {
  let count = 0
  for (let at = 0; at < registers.length; at += 1) if (registers[at]! !== 0) count += 1
  return count
}

const isSparse = ({ log2m, regwidth, sparseon }: HllParameters, filledRegisters: number): boolean =>
  sparseon === 1 && filledRegisters * (log2m + regwidth) < regwidth * 2 ** log2m

/** The bytes that the extension would write. */
export function packHll(parameters: HllParameters, content: HllContent): Uint8Array {
  const { log2m, regwidth } = parameters
  switch (content.kind) {
    case 'undefined':
    case 'empty':
      return withHead(parameters, content.kind, 0)
    case 'explicit': {
      const { values } = content
      const bytes = withHead(parameters, 'explicit', 8 * values.size)
      const view = new DataView(bytes.buffer, headBytes)
      for (let at = 0; at < values.size; at += 1) {
        view.setInt32(8 * at, values.high(at))
        view.setInt32(8 * at + 4, values.low(at))
      }
      return bytes
    }
    case 'registers': {
      const { registers } = content
      const count = filled(registers)
      const sparse = isSparse(parameters, count)
      const bits = sparse ? count * (log2m + regwidth) : registers.length * regwidth
      const bytes = withHead(parameters, sparse ? 'sparse' : 'full', Math.ceil(bits / 8))
      const writer = new BitWriter(bytes, headBytes)
      for (let at = 0; at < registers.length; at += 1) {
        if (!sparse) writer.write(registers[at]!, regwidth)
        else if (registers[at]! !== 0) writer.write((at << regwidth) | registers[at]!, log2m + regwidth)
      }
      writer.end()
      return bytes
    }
  }
}

function withHead({ log2m, regwidth, expthresh, sparseon }: HllParameters, kind: HllRepresentation, dataBytes: number): Uint8Array {
  const bytes = new Uint8Array(headBytes + dataBytes)
  bytes[0] = (1 << 4) | representations.indexOf(kind)
  bytes[1] = ((regwidth - 1) << 5) | log2m
  bytes[2] = (sparseon << 6) | (expthresh === -1 ? 63 : expthresh === 0 ? 0 : Math.log2(expthresh) + 1)
  return bytes
}

/**
 * Reads the bytes of a sketch.
 *
 * @throws InvalidInputError naming the first wrong byte, and the problem.
 */
export function unpackHll(bytes: Uint8Array): { parameters: HllParameters; content: HllContent } {
  if (bytes.length < headBytes) throw malformed(bytes.length, `a sketch has at least ${headBytes} bytes, not ${bytes.length}`)
  const version = bytes[0]! >>> 4
  if (version !== 1) throw malformed(0, `schema version ${version} is not known, only 1`)
  const kind = representations[bytes[0]! & 0xf]
  if (kind === undefined) throw malformed(0, `representation ${bytes[0]! & 0xf} is not known, only 0 to 4`)
  const parameters = unpackParameters(bytes[1]!, bytes[2]!)
  switch (kind) {
    case 'undefined':
    case 'empty':
      if (bytes.length > headBytes) throw malformed(headBytes, `an ${kind} sketch ends here, ${bytes.length - headBytes} more bytes follow`)
      return { parameters, content: { kind } }
    case 'explicit':
      return { parameters, content: { kind, values: unpackExplicit(bytes) } }
    case 'sparse':
      return { parameters, content: { kind: 'registers', registers: unpackSparse(bytes, parameters) } }
    case 'full':
      return { parameters, content: { kind: 'registers', registers: unpackFull(bytes, parameters) } }
  }
}

function unpackParameters(parameterByte: number, cutoffByte: number): HllParameters {
  const log2m = parameterByte & 0x1f
  if (log2m < 4 || log2m > 17) throw malformed(1, `log2m must be between 4 and 17, got ${log2m}`)
  if (cutoffByte >= 0x80) throw malformed(2, 'the first bit must be 0')
  const threshold = cutoffByte & 0x3f
  if (threshold > 31 && threshold !== 63) throw malformed(2, `the explicit threshold must be 63 or at most 31, got ${threshold}`)
  return {
    log2m,
    regwidth: (parameterByte >>> 5) + 1,
    expthresh: threshold === 63 ? -1 : threshold === 0 ? 0 : 2 ** (threshold - 1),
    sparseon: cutoffByte & 0x40 ? 1 : 0,
  }
}

function unpackExplicit(bytes: Uint8Array): ExplicitSet {
  const count = Math.floor((bytes.length - headBytes) / 8)
  if (headBytes + 8 * count !== bytes.length)
    throw malformed(headBytes + 8 * count, `a value has 8 bytes, ${bytes.length - headBytes - 8 * count} are left`)
  if (count > mostExplicit) throw malformed(headBytes + 8 * mostExplicit, `there are ${count} values, more than ${mostExplicit}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset + headBytes)
  const values = new ExplicitSet(count)
  for (let at = 0; at < count; at += 1) {
    const [high, low] = [view.getInt32(8 * at), view.getInt32(8 * at + 4)]
    const place = values.find(low, high)
    if (place !== -1 - at)
      throw malformed(
        headBytes + 8 * at,
        `the values must ascend, but ${place >= 0 ? 'this one comes twice' : 'this one is below the last'}`,
      )
    values.insert(at, low, high)
  }
  return values
}

function unpackFull(bytes: Uint8Array, parameters: HllParameters): Registers {
  const { log2m, regwidth } = parameters
  const expected = headBytes + Math.ceil((regwidth * 2 ** log2m) / 8)
  if (bytes.length !== expected)
    throw malformed(
      Math.min(bytes.length, expected),
      `${2 ** log2m} registers of ${regwidth} bits take ${expected} bytes, not ${bytes.length}`,
    )
  const registers = new Uint8Array(2 ** log2m)
  const reader = new BitReader(bytes, headBytes)
  const highest = highestRegister(parameters)
  for (let at = 0; at < registers.length; at += 1) {
    const byte = reader.byte
    registers[at] = reader.read(regwidth)
    if (registers[at]! > highest) throw tooHigh(byte, registers[at]!, highest)
  }
  return registers
}

function unpackSparse(bytes: Uint8Array, parameters: HllParameters): Registers {
  const { log2m, regwidth } = parameters
  const width = log2m + regwidth
  const bits = 8 * (bytes.length - headBytes)
  const registers = new Uint8Array(2 ** log2m)
  const reader = new BitReader(bytes, headBytes)
  const highest = highestRegister(parameters)
  let last = -1
  for (let left = bits; left >= width; left -= width) {
    const byte = reader.byte
    const pair = reader.read(width)
    const [index, value] = [pair >>> regwidth, pair & (2 ** regwidth - 1)]
    // If a pair is shorter than a byte, the padding has room for one: all 0.
    if (pair === 0 && left < 8) break
    if (value === 0) throw malformed(byte, `register ${index} is listed, but is 0`)
    if (value > highest) throw tooHigh(byte, value, highest)
    if (index <= last) throw malformed(byte, `the registers must ascend, but ${index} follows ${last}`)
    registers[index] = value
    last = index
  }
  const rest = bits % width
  if (rest >= 8) throw malformed(bytes.length - 1, `a register has ${width} bits, ${rest} are left`)
  if (rest > 0 && reader.read(rest) !== 0) throw malformed(bytes.length - 1, `the last ${rest} bits must be 0`)
  return registers
}

const tooHigh = (byte: number, value: number, highest: number) =>
  malformed(byte, `a register of such sketches is at most ${highest}, got ${value}`)

const malformed = (at: number, problem: string) => new InvalidInputError('bytes', `at byte ${at}: ${problem}`)

/** Reads numbers of at most 25 bits, high bits first, as they are packed. */
class BitReader {
  readonly #bytes: Uint8Array
  #next: number
  #held = 0
  #heldBits = 0

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#next = at
  }

  /** The byte that holds the beginning of the next number. */
  get byte(): number {
    return this.#heldBits > 0 ? this.#next - 1 : this.#next
  }

  read(bits: number): number {
    while (this.#heldBits < bits) {
      this.#held = (this.#held << 8) | this.#bytes[this.#next]!
      this.#next += 1
      this.#heldBits += 8
    }
    this.#heldBits -= bits
    return (this.#held >>> this.#heldBits) & (2 ** bits - 1)
  }
}

/** Writes numbers of at most 25 bits, high bits first; `end` fills the last byte with 0. */
class BitWriter {
  readonly #bytes: Uint8Array
  #next: number
  #held = 0
  #heldBits = 0

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#next = at
  }

  write(value: number, bits: number): void {
    this.#held = (this.#held << bits) | value
    this.#heldBits += bits
    while (this.#heldBits >= 8) {
      this.#heldBits -= 8
      this.#bytes[this.#next] = this.#held >>> this.#heldBits
      this.#next += 1
    }
  }

  end(): void {
    if (this.#heldBits > 0) this.#bytes[this.#next] = this.#held << (8 - this.#heldBits)
  }
}
