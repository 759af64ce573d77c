import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'

/** The bytes in hexadecimal digits as `::bytea` and `::hll` take them: `\x118b7f`. */
export const hexText = (bytes: Uint8Array): string => `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`

/** @throws InvalidInputError if the text is not `\x` and an even number of hexadecimal digits. */
export function hexBytes(text: string): Uint8Array {
  if (!text.startsWith('\\x')) throw new InvalidInputError('text', `must begin with \\x, got ${preview(text)}`)
  const bytes = Buffer.from(text.slice(2), 'hex')
  if (2 * bytes.length !== text.length - 2)
    throw new InvalidInputError('text', `must be pairs of hexadecimal digits, which end at character ${2 + 2 * bytes.length}`)
  return bytes
}
