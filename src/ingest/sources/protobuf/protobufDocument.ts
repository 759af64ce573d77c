import { signals, type Signal } from './otlpMessages.ts'
import { readMessage } from './readMessage.ts'
import { signalOf } from './signalOf.ts'
import { fieldsOf, readerOf, wire } from './wire.ts'

/**
 * The export request of a protobuf message in the form of OTLP/JSON, or the reason why it is not
 * one. In protobuf several concatenated messages are one, even with different signals.
 *
 * Damaged records and parts are marked `unreadable`.
 *
 * @param signal the signal of its records, if they do not show it (see `signalOf`).
 */
export function protobufDocument(bytes: Uint8Array, signal?: Signal): { document: unknown; damaged: boolean } | { reason: string } {
  const parts: { from: number; to: number; signal: Signal | 'none' | undefined }[] = []
  try {
    for (const { number, wire: kind, from, to } of fieldsOf(bytes)) {
      if (number === 1 && kind === wire.length) parts.push({ from, to, signal: signal ?? signalOf(bytes, from, to) })
    }
  } catch {
    return { reason: 'not an OTLP export request: damaged protobuf, or none' }
  }
  if (parts.length === 0) return { reason: 'not an OTLP export request: protobuf without its field 1' }
  const told = parts.find((part) => part.signal !== undefined && part.signal !== 'none')?.signal
  const document: Record<string, unknown[]> = {}
  let damaged = false
  const onDamage = () => (damaged = true)
  for (const part of parts) {
    const its = part.signal === undefined || part.signal === 'none' ? told : part.signal
    if (its === undefined || its === 'none') {
      if (part.signal === 'none') continue
      return { reason: "traces, metrics or logs? Its records do not show it: name the format, such as 'protobuf-logs'" }
    }
    const { list, part: type } = signals[its]
    document[list] ??= []
    document[list].push(readMessage(readerOf(bytes, part.from, part.to), part.to, type, onDamage))
  }
  return { document: Object.keys(document).length === 0 ? { resourceSpans: [] } : document, damaged }
}
