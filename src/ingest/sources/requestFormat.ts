/** How the requests of a source are written. */
export type RequestFormat = 'json'

const blanks: ReadonlySet<number> = new Set([9, 10, 13, 32])
const openBrace = 123
const openBracket = 91

/** The format that a source has by its first bytes; undefined where it is none that is known. */
export function formatOf(head: Uint8Array): RequestFormat | undefined {
  const first = head.find((byte) => !blanks.has(byte))
  if (first === openBrace || first === openBracket) return 'json'
  // Text that is no JSON, or control characters before it, may still be followed by requests.
  const binary = head.some((byte) => byte < 32 && !blanks.has(byte))
  return binary && !Buffer.from(head).includes('\n{') ? undefined : 'json'
}
