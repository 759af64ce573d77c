/** What begins an exception among the context of Monolog, and so of Laravel and Symfony. */
export const monologObject = '[object] ('

/** What a line of Monolog says, and the exceptions in its context. */
export interface MonologLine {
  /** The line before its context; empty where it continues a record. */
  message: string
  exceptions: { type: string; message: string; path: string | null }[]
}

/**
 * Reads the exceptions of a line, such as
 * `message {"exception":"[object] (Type(code: 0): message at file:12)`. Older versions write
 * previous ones behind a comma, later ones in a line of their own. Null if it has none. Takes
 * linear time.
 */
export function monologExceptions(line: string): MonologLine | null {
  const at = line.indexOf(monologObject)
  if (at === -1) return null
  const context = line.lastIndexOf(' {"', at)
  const before = line.slice(0, context === -1 ? at : context)
  const found: { type: string; begins: number; ends: number }[] = []
  for (let code = line.indexOf(coded, at); code !== -1; code = line.indexOf(coded, code + 1)) {
    const type = typeBefore(line, code)
    const ends = line.indexOf('): ', code)
    if (type !== '' && ends !== -1 && ends - code < 50) found.push({ type, begins: code - type.length, ends: ends + 3 })
  }
  const exceptions = found.map(({ type, ends }, index) => {
    const text = line.slice(ends, found[index + 1]?.begins)
    const last = text.lastIndexOf(' at ')
    const place = text.slice(last + 4, last + 500).split(/["\s]/, 1)[0]!
    const colon = place.lastIndexOf(':')
    const isPlace = last !== -1 && colon > 0 && /^\d/.test(place.slice(colon + 1))
    return { type: single(type), message: isPlace ? text.slice(0, last) : text, path: isPlace ? single(place.slice(0, colon)) : null }
  })
  return { message: before.replace('[previous exception]', '').trim(), exceptions }
}

const coded = '(code: '

/** The name of a class that ends at a place. */
function typeBefore(line: string, end: number): string {
  let from = end
  while (from > 0 && end - from < 250 && /[\w\\@]/.test(line[from - 1]!)) from -= 1
  return line.slice(from, end)
}

/** Backslashes are doubled in JSON. */
const single = (text: string) => text.replaceAll('\\\\', '\\')
