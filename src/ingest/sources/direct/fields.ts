import type { Reader, Wrong } from '../../../schema/otlpValues.ts'
import { wrong } from '../../../schema/otlpValues.ts'
import type { MessageType } from '../protobuf/otlpMessages.ts'

/**
 * The fields of a request's messages, read from its bytes one after the other. JSON and protobuf
 * are read by the same code through it.
 *
 * Whatever is not exactly as expected throws `fault`: the request is then read through a document,
 * which names what is wrong.
 */
export interface Fields {
  readonly bytes: Uint8Array
  /** Where the value of the current field is. */
  position: number
  /** Whether texts outlive the request: they then do not hold more than their own bytes. */
  lasting: boolean

  /** Enters the message that is the value; returns what `leave` needs. */
  enter(): number
  /** The name of the next known field that has a value; undefined at the end of the message. */
  next(type: MessageType): string | undefined
  leave(outer: number): void
  skip(): void

  /** The first item of a list; 0 in an empty one. */
  firstItem(): number
  /** The next one; 0 after the last. */
  nextItem(item: number): number
  /** Lists of the same kind have the same content if they have the same bytes. */
  readonly listKind: number
  /** Where the list ends. */
  listEnd(): number
  /** Whether the list ends here, if what is before is a whole list. */
  isListEnd(end: number): boolean

  text(): string
  /** A text that occurs many times, such as the name of an attribute: the same text again. */
  knownText(): string
  boolean(): boolean
  id(bytes: 8 | 16): string
  nanoseconds(): bigint
  double(): number
  integer(): number
  count(): number
  /** An enum value; by name only in JSON. */
  enumeration(read: Reader<number>): number
  counts(list: number[]): void
  doubles(list: number[]): void
  /** An attribute's integer or double as OTLP/JSON has it. */
  written(): string | number
  /** An attribute's bytes in base64. */
  base64(): string
}

export const fault = new Error('the request is not as expected')

/** A value that a reader did not refuse. */
export function checked<T>(value: T | Wrong): T {
  if (value === wrong) throw fault
  return value
}

/** Adds the items of a list. */
export function addItems<T>(fields: Fields, list: T[], read: (fields: Fields) => T): void {
  for (let item = fields.firstItem(); item !== 0; item = fields.nextItem(item)) list.push(read(fields))
}
