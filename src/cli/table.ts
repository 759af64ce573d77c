import Table from 'cli-table3'

export interface TableOptions {
  /** The columns whose cells stand on the right, by their number from 0. */
  right?: readonly number[]
  /** How many columns of the terminal it may take. */
  width: number
}

/** Narrower than this no column is made: a word a line is no table any more. */
const narrowest = 8

/**
 * A table that fits the terminal: what is too long is wrapped in the widest columns, words and
 * URNs where they have a joint.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[], { right = [], width }: TableOptions): string {
  const widths = fitted(
    head.map((name, column) => Math.max(...[name, ...rows.map((row) => row[column] ?? '')].map(longestLine))),
    // Beside the text each column has two blanks, and a line on its left; the last also one on its right.
    width - 3 * head.length - 1,
  )
  const cells = rows.map((row) => row.map((cell, column) => wrapped(cell, widths[column]!)))
  const result = new Table({
    head: [...head],
    colWidths: widths.map((text) => text + 2),
    colAligns: head.map((_, column) => (right.includes(column) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  })
  result.push(...cells)
  return `${result.toString()}\n`
}

const longestLine = (text: string) => Math.max(...text.split('\n').map(({ length }) => length))

/** The widths, the widest made narrower until all of them fit. */
function fitted(widths: readonly number[], available: number): number[] {
  const result = [...widths]
  for (let over = result.reduce((sum, width) => sum + width, 0) - available; over > 0; over -= 1) {
    const widest = result.indexOf(Math.max(...result))
    if (result[widest]! <= narrowest) break
    result[widest]! -= 1
  }
  return result
}

/** Text in lines of at most this many characters, further lines indented. */
export function wrapped(text: string, width: number, indent = ''): string {
  return text
    .split('\n')
    .flatMap((line) => lines(line, width, indent))
    .join('\n')
}

function lines(text: string, width: number, indent: string): string[] {
  const result: string[] = []
  let rest = text
  while (rest.length > width) {
    const at = breakOf(rest, width, result.length === 0 ? 0 : indent.length)
    result.push(rest.slice(0, at).trimEnd())
    rest = indent + rest.slice(at).trimStart()
  }
  return [...result, rest]
}

/** Where a line is broken: at a blank, else behind a joint of a long word, else where it must be. */
function breakOf(text: string, width: number, from: number): number {
  const head = text.slice(from, width + 1)
  const blank = head.lastIndexOf(' ')
  if (blank > 0) return from + blank
  const joint = /^.*[/:,;._-]/s.exec(text.slice(from, width))?.[0].length ?? 0
  return joint > 0 ? from + joint : width
}
