import { requestOf, parseOtlpRequest, type OtlpRequest } from './otlpRequest.ts'
import { protobufContent } from './protobuf/protobufContent.ts'
import { signalIn, type RequestFormat } from './requestFormat.ts'

/** A request, and how it can be read again when its document is gone. */
export interface ReadableRequest {
  readonly request: OtlpRequest
  again(): OtlpRequest
}

const openBrace = 123

/** @param bytes those that the request was read from. */
export function readable(request: OtlpRequest, bytes: Uint8Array, format: RequestFormat | undefined): ReadableRequest {
  const { origin, line } = request
  return {
    request,
    again: () => {
      const read = bytes[0] === openBrace ? parseOtlpRequest(bytes, origin, line) : fromProtobuf(bytes, format, request)
      if ('reason' in read) throw new Error(`a request that was read cannot be read again: ${read.reason}`)
      return read
    },
  }
}

function fromProtobuf(bytes: Uint8Array, format: RequestFormat | undefined, { origin, line }: Pick<OtlpRequest, 'origin' | 'line'>) {
  const read = protobufContent(bytes, signalIn(format))
  return 'reason' in read ? read : requestOf(read, bytes, origin, line)
}
