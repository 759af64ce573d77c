import type { Signal } from './otlpMessages.ts'
import { fieldsOf, wire, type WireField } from './wire.ts'

/**
 * Whether a resource's part of an export request contains traces, metrics or logs; `none` if it
 * contains no records, undefined if the records do not show it.
 *
 * A request does not state its signal: the parts of all three have the same field numbers. Their
 * records do not. The first record with one of these fields decides:
 *
 * | field | as | is |
 * |---|---|---|
 * | 7, 8 | 64 bits | when a span began or ended |
 * | 6 | varint | a span's kind |
 * | 1 and 2 | 16 and 8 bytes that cannot be read as a gauge or histogram | the ids of a span |
 * | 1, 11 | 64 bits | when a log record was written or seen |
 * | 2 | varint | a log record's severity |
 * | 8 | 32 bits | a log record's flags |
 * | 6 | bytes | an attribute of a log record |
 * | 7 | bytes | a metric's sum |
 * | 5, 9, 10 or 11, and 1 | bytes | a metric's points, and its name |
 * | 3 or 5, and not 1 | bytes | a log record's level or body |
 */
export function signalOf(bytes: Uint8Array, from: number, to: number): Signal | 'none' | undefined {
  let records = false
  try {
    for (const scoped of fieldsOf(bytes, from, to)) {
      if (scoped.wire !== wire.length || (scoped.number !== 2 && scoped.number !== 1000)) continue
      for (const record of fieldsOf(bytes, scoped.from, scoped.to)) {
        if (record.wire !== wire.length || record.number !== 2) continue
        records = true
        const signal = signalOfRecord(bytes, record)
        if (signal !== undefined) return signal
      }
    }
  } catch {
    // Damaged: the fields read so far do not decide.
    return undefined
  }
  return records ? undefined : 'none'
}

function signalOfRecord(bytes: Uint8Array, record: WireField): Signal | undefined {
  const lengths = new Map<number, number>()
  try {
    for (const { number, wire: kind, from, to } of fieldsOf(bytes, record.from, record.to)) {
      if (kind === wire.fixed64 && (number === 7 || number === 8)) return 'traces'
      if (kind === wire.varint && number === 6) return 'traces'
      if (kind === wire.fixed64 && (number === 1 || number === 11)) return 'logs'
      if (kind === wire.varint && number === 2) return 'logs'
      if (kind === wire.fixed32 && number === 8) return 'logs'
      if (kind === wire.length && number === 6) return 'logs'
      if (kind === wire.length && number === 7) return 'metrics'
      if (kind === wire.length) lengths.set(number, to - from)
    }
  } catch {
    // A damaged record: other records decide.
    return undefined
  }
  if (lengths.has(4) || lengths.has(13) || lengths.has(15)) return 'traces'
  if (lengths.get(1) === 16 && lengths.get(2) === 8 && !lengths.has(3)) return 'traces'
  if (lengths.has(1)) return [5, 9, 10, 11].some((number) => lengths.has(number)) ? 'metrics' : undefined
  return lengths.has(3) || lengths.has(5) ? 'logs' : undefined
}
