import { ByteInput } from './byteInput.ts'
import { DamagedError, decompressed } from './decompressed.ts'
import { delimitedMessages } from './delimitedMessages.ts'
import { jsonObjects } from './jsonObjects.ts'
import { maxRequestBytes, type Piece } from './piece.ts'
import { protobufContent } from './protobuf/protobufContent.ts'
import { containerOf, headLength, signalIn, type RequestFormat } from './requestFormat.ts'

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * The documents of a stream of bytes: JSON or protobuf, plain, gzip or zstd, recognised by their
 * first bytes, not by a name. Binary data in none of these formats is one problem.
 *
 * @param format the format of the requests, if the bytes do not show it.
 */
export async function* piecesOf(
  chunks: AsyncIterable<string | Uint8Array>,
  format?: RequestFormat,
  maxBytes = maxRequestBytes,
): AsyncGenerator<Piece> {
  const input = new ByteInput(decompressed(chunks))
  try {
    const marked = byteOrderMark.equals((await input.peek(byteOrderMark.length)).subarray(0, byteOrderMark.length))
    if (marked) await input.take(byteOrderMark.length)
    const container = containerOf((await input.peek(headLength)).subarray(0, headLength), format)
    if (container === 'text') yield* jsonObjects(input.rest(), maxBytes)
    else if (container === 'delimited') yield* delimitedMessages(input, maxBytes, format)
    else if (container === 'message') yield await oneMessage(input, maxBytes, format)
    else yield { line: 1, problem: 'not a supported format: neither JSON nor protobuf of OTLP, nor gzip or zstd of these' }
  } finally {
    await input.close()
  }
}

async function oneMessage(input: ByteInput, maxBytes: number, format: RequestFormat | undefined): Promise<Piece> {
  const line = 1
  try {
    const bytes = await input.takeAll(maxBytes + 1)
    if (bytes.length > maxBytes) return { line, problem: `longer than ${maxBytes} bytes` }
    const content = protobufContent(bytes, signalIn(format))
    return 'reason' in content ? { line, problem: content.reason } : { line, bytes, content }
  } catch (error) {
    if (error instanceof DamagedError) return { line, problem: error.message }
    throw error
  }
}
