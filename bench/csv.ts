/**
 * The records of comma-separated values as RFC 4180 has them, one a line: fields in quotes may hold commas, line ends and doubled quotes. Empty
 * lines are no records.
 *
 * @example
 * [...csvRecords('a,b\n1,"x ""y"", z"\n')] // [['a', 'b'], ['1', 'x "y", z']]
 */
export function* csvRecords(text: string): Generator<string[]> {
  let fields: string[] = []
  for (let at = 0; at < text.length;) {
    let end: number
    if (text[at] === '"') {
      let close = at + 1
      for (;;) {
        close = text.indexOf('"', close)
        if (close === -1) close = text.length
        if (text[close + 1] !== '"') break
        close += 2
      }
      fields.push(text.slice(at + 1, close).replaceAll('""', '"'))
      end = close + 1
    } else {
      const [comma, line] = [text.indexOf(',', at), text.indexOf('\n', at)]
      end = Math.min(comma === -1 ? text.length : comma, line === -1 ? text.length : line)
      fields.push(text.slice(at, text[end - 1] === '\r' && text[end] !== ',' && end > at ? end - 1 : end))
    }
    if (text[end] === ',') {
      at = end + 1
      // What ends with a comma ends with an empty field.
      if (at === text.length) fields.push('')
      continue
    }
    at = text[end] === '\r' ? end + 2 : end + 1
    if (fields.length > 1 || fields[0] !== '') yield fields
    fields = []
  }
  if (fields.length > 0) yield fields
}

/** The same with the first record as the names of the fields of the others. */
export function* csvRows(text: string): Generator<Readonly<Record<string, string | undefined>>> {
  let names: string[] | undefined
  for (const record of csvRecords(text)) {
    if (names === undefined) names = record
    else yield Object.fromEntries(names.map((name, at) => [name, record[at]]))
  }
}

/** A cell's number; null where nothing was measured: an empty cell, NaN. */
export function cellNumber(cell: string | undefined): number | null {
  const value = cell?.trim() ? Number(cell) : Number.NaN
  return Number.isFinite(value) ? value : null
}
