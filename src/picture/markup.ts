/**
 * Escapes a text for XML and HTML. Characters that XML cannot hold (most control characters, lone
 * surrogates) become U+FFFD.
 */
export function escapeMarkup(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/** A text without the characters that no picture can show. */
export const printable = (text: string): string =>
  // Tab, line feed and carriage return are the only control characters of XML.
  text.toWellFormed().replaceAll(/[^\P{Cc}\t\n\r]|[\ufffe\uffff]/gu, '\ufffd')

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/**
 * At most `length` characters as a reader counts them; the last is an ellipsis if some were left
 * out.
 */
export function shortened(text: string, length: number): string {
  const parts: string[] = []
  for (const { segment } of graphemes.segment(text)) {
    if (parts.length === length) return `${parts.slice(0, -1).join('')}…`
    parts.push(segment)
  }
  return text
}
