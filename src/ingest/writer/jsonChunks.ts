/**
 * How many characters of rows go into one statement: PostgreSQL allows 256 MB of elements in one
 * jsonb document, and holds it in memory several times.
 */
const maxCharacters = 16 * 1024 * 1024

/** Rows as JSON arrays, each short enough for one statement. */
export function* jsonChunks(rows: Iterable<object>, most = maxCharacters): Generator<string> {
  let chunk: string[] = []
  let length = 0
  for (const row of rows) {
    const text = JSON.stringify(row)
    if (chunk.length > 0 && length + text.length > most) {
      yield `[${chunk.join(',')}]`
      chunk = []
      length = 0
    }
    chunk.push(text)
    length += text.length + 1
  }
  if (chunk.length > 0) yield `[${chunk.join(',')}]`
}
