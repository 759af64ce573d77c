import { directProtobuf } from '../direct/directPayload.ts'
import type { Content } from '../piece.ts'
import type { Signal } from './otlpMessages.ts'
import { protobufDocument } from './protobufDocument.ts'

/**
 * The export request or the document of a protobuf message, or the reason why it is not one.
 *
 * @param signal the signal of its records, if they do not show it (see `signalOf`).
 */
export function protobufContent(bytes: Uint8Array, signal?: Signal): (Content & { damaged: boolean }) | { reason: string } {
  const payload = directProtobuf(bytes, signal)
  return payload === undefined ? protobufDocument(bytes, signal) : { payload, damaged: false }
}
