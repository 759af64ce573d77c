import type { WrittenTime } from '../time/writtenTime.ts'

/** What a line says that begins a record. */
export interface LineRecord {
  /** Undefined if the line has no time of its own: then that of the record before counts. */
  time: WrittenTime | undefined
  /** The text of its severity. */
  level?: string | undefined
  /** Attributes by name. */
  fields: readonly (readonly [name: string, value: string])[]
  message: string
}

/** How the lines of a log are read. */
export interface LineFormat {
  /** What it is, for people. */
  readonly name: string
  /** Its header as a template, if it has one. */
  readonly header?: string
  /** Whether the other lines continue the record before; else they are records without a time. */
  readonly joins: boolean
  /** The record that a line begins; undefined if it begins none. */
  read(line: string): LineRecord | undefined
  /** Whether a line belongs to no record, such as a cursor. */
  isBetween?(line: string): boolean
  /** What a whole record says, if its lines are more than text. */
  whole?(body: string): { message: string; level?: string | undefined }
  /** Whether a line is as the format says, and not only near to it. */
  fits(line: string): boolean
}
