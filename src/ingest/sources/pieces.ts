import { ByteInput } from './byteInput.ts'
import { decompressed } from './decompressed.ts'
import { jsonObjects } from './jsonObjects.ts'
import { maxRequestBytes, type Piece } from './piece.ts'
import { formatOf } from './requestFormat.ts'

/** Enough to tell the formats apart. */
const headLength = 512

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * The documents of a stream of bytes: plain, gzip or zstd, told apart by their first bytes, not by
 * a name. What is binary and none of the formats is one problem.
 */
export async function* piecesOf(chunks: AsyncIterable<string | Uint8Array>, maxBytes = maxRequestBytes): AsyncGenerator<Piece> {
  const input = new ByteInput(decompressed(chunks))
  try {
    const marked = byteOrderMark.equals((await input.peek(byteOrderMark.length)).subarray(0, byteOrderMark.length))
    if (marked) await input.take(byteOrderMark.length)
    const format = formatOf((await input.peek(headLength)).subarray(0, headLength))
    if (format === undefined)
      yield { line: 1, problem: 'neither JSON nor gzip or zstd of it: the file is binary. Have the exporter write JSON' }
    else yield* jsonObjects(input.rest(), maxBytes)
  } finally {
    await input.close()
  }
}
