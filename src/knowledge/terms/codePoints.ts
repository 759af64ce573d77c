/**
 * How many code points precede each place of the text, as PostgreSQL counts characters; an unpaired
 * surrogate counts as one.
 */
export function codePointsBefore(text: string): (at: number) => number {
  if (!/[\ud800-\udbff]/.test(text)) return (at) => at
  const before = new Uint32Array(text.length + 1)
  for (let at = 0; at < text.length; at += 1) before[at + 1] = before[at]! + (isSecondOfPair(text, at) ? 0 : 1)
  return (at) => before[at]!
}

const isSecondOfPair = (text: string, at: number) =>
  at > 0 && (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800
