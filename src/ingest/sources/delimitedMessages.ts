import { zstdDecompressSync } from 'node:zlib'
import type { ByteInput } from './byteInput.ts'
import { DamagedError } from './decompressed.ts'
import { jsonContent } from './otlpRequest.ts'
import type { Content, Piece } from './piece.ts'
import { protobufContent } from './protobuf/protobufContent.ts'
import { beginsDelimited, bodyFormat, delimitedHeadLength, signalIn, type RequestFormat } from './requestFormat.ts'

/** The bytes of a message's length. */
export const prefixLength = 4

/** A file with this many damaged messages in a row has another format. */
const mostFailures = 100

/**
 * The messages of a stream in which the length precedes each message, in four bytes, big-endian:
 * the format of the Collector's file exporter with `format: proto` or `compression: zstd`. Each
 * message is protobuf or JSON, plain or compressed by zstd.
 *
 * A message that is damaged or ends early is a problem. Its length is then unreliable, so reading
 * continues at the next place that looks like a length and a message. Skipped bytes are reported,
 * except zeros, which fill up files.
 */
export async function* delimitedMessages(input: ByteInput, maxBytes: number, format?: RequestFormat): AsyncGenerator<Piece> {
  const problemAt = (line: number, byte: number, reason: string): Piece => ({ line, problem: `${reason} (the message at byte ${byte})` })
  let line = 0
  let at = 0
  let failures = 0
  try {
    while (failures < mostFailures) {
      const head = await input.peek(delimitedHeadLength)
      if (head.length === 0) return
      if (!beginsDelimited(head)) {
        const { bytes, zeros } = await passOver(input)
        if (!zeros) {
          failures += 1
          yield { line: line + 1, problem: `there is no message in the ${bytes} bytes from byte ${at} on` }
        }
        at += bytes
        continue
      }
      line += 1
      const length = Buffer.from(await input.takeAll(prefixLength)).readUInt32BE()
      const body = await input.takeAll(length)
      const read = body.length < length ? { reason: `it ends after ${body.length} of ${length} bytes` } : documentOf(body, maxBytes, format)
      if ('reason' in read || breaksOff(body, read.damaged, await input.peek(delimitedHeadLength))) {
        failures += 1
        yield problemAt(line, at, 'reason' in read ? read.reason : 'it ends early')
        input.giveBack(body)
        at += prefixLength + (await passOver(input)).bytes
        continue
      }
      failures = 0
      at += prefixLength + length
      yield { line, bytes: read.bytes, content: read.content }
    }
    yield problemAt(line, at, `${mostFailures} messages in a row are damaged: nothing more is read`)
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error
    yield problemAt(line + 1, at, error.message)
  }
}

interface Read {
  bytes: Uint8Array
  content: Content
  /** Whether some part could not be read. */
  damaged: boolean
}

/** The document of a message, or the reason why it has none. */
export function documentOf(body: Uint8Array, maxBytes: number, format: RequestFormat | undefined): Read | { reason: string } {
  let bytes = body
  if (bodyFormat(body, body.length) === 'zstd') {
    try {
      bytes = zstdDecompressSync(body, { maxOutputLength: maxBytes })
    } catch (error) {
      const tooLong = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
      return {
        reason: tooLong ? `longer than ${maxBytes} bytes` : `damaged zstd: ${error instanceof Error ? error.message : String(error)}`,
      }
    }
  }
  const isJson = format === undefined ? bodyFormat(bytes, bytes.length) === 'json' : format === 'json'
  const content = isJson ? jsonContent(bytes) : protobufContent(bytes, signalIn(format))
  return 'reason' in content ? content : { bytes, damaged: 'damaged' in content && content.damaged === true, content }
}

/**
 * Whether a readable message was cut off and contains the beginning of the next one: no message
 * begins after it then, but one begins inside it.
 *
 * @param next the bytes after it.
 */
export function breaksOff(body: Uint8Array, damaged: boolean, next: Uint8Array): boolean {
  if (beginsDelimited(next) || next.subarray(0, delimitedHeadLength).every((byte) => byte === 0)) return false
  if (damaged) return true
  const bytes = Buffer.concat([body, next])
  for (let at = 0; at < body.length; at += 1) if (beginsDelimited(bytes.subarray(at))) return true
  return false
}

/** Skips bytes that are not a message; at the end of the input all of them. */
async function passOver(input: ByteInput): Promise<{ bytes: number; zeros: boolean }> {
  let bytes = 0
  let zeros = true
  for (;;) {
    const ahead = await input.peek(delimitedHeadLength)
    const last = ahead.length < delimitedHeadLength ? ahead.length : ahead.length - delimitedHeadLength + 1
    let at = 0
    while (at < last && !beginsDelimited(ahead.subarray(at))) at += 1
    const passed = await input.takeAll(at)
    bytes += at
    zeros &&= passed.every((byte) => byte === 0)
    if (at < last || ahead.length < delimitedHeadLength) return { bytes, zeros }
  }
}
