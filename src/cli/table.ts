import Table from 'cli-table3'

export interface TableOptions {
  /** The columns whose cells stand on the right, by their number from 0. */
  right?: readonly number[]
  /** The columns whose cells end with an ellipsis after three lines, whatever follows. */
  cut?: readonly number[]
  /** How many columns of the terminal it may take. */
  width: number
}

/** Narrower than this no column is made: a word a line is no table any more. */
const narrowest = 8

/**
 * A table that fits the terminal: what is too long is wrapped in the widest columns, words and
 * URNs where they have a joint.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { right = [], cut = [], width }: TableOptions,
): string {
  const shown = rows.map((row) => row.map(printable))
  const widths = fitted(
    head.map((name, column) => Math.max(...[name, ...shown.map((row) => row[column] ?? '')].map(longestLine))),
    // Beside the text each column has two blanks, and a line on its left; the last also one on its right.
    width - 3 * head.length - 1,
  )
  const fit = (cell: string, column: number) => {
    const text = wrapped(cell, widths[column]!)
    return cut.includes(column) ? cutOff(text, widths[column]!) : text
  }
  const cells = shown.map((row) => row.map(fit))
  const result = new Table({
    head: [...head],
    colWidths: widths.map((text) => text + 2),
    colAligns: head.map((_, column) => (right.includes(column) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  })
  result.push(...cells)
  return `${result.toString()}\n`
}

const longestLine = (text: string) => Math.max(...text.split('\n').map(columnsOf))

/**
 * Names come from outside: characters that would move the cursor or colour the terminal are written
 * as JSON does.
 */
const printable = (text: string) =>
  text.replaceAll(
    /[^\P{Cc}\n]|[\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** What takes two columns: East Asian characters and emoji. */
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{1f000}-\u{3fffd}\p{Extended_Pictographic}]/u

/**
 * How many columns of a terminal a line takes, or a few more, because cli-table3 cuts off what does
 * not fit.
 */
function columnsOf(line: string): number {
  let columns = 0
  for (const character of line) columns += wide.test(character) ? 2 : 1
  return columns
}

/** The length of the longest beginning of a line that fits. */
function lengthWithin(line: string, columns: number): number {
  let left = columns
  let length = 0
  for (const character of line) {
    left -= columnsOf(character)
    if (left < 0) break
    length += character.length
  }
  return length
}

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

/** The lines that a cell has at most if it is cut off. */
const mostLines = 3

function cutOff(text: string, width: number): string {
  const all = text.split('\n')
  if (all.length <= mostLines) return text
  const last = all[mostLines - 1]!
  return [...all.slice(0, mostLines - 1), `${last.slice(0, lengthWithin(last, width - 1)).trimEnd()}…`].join('\n')
}

/** Text in lines of at most this many columns, further lines indented. */
export function wrapped(text: string, width: number, indent = ''): string {
  return text
    .split('\n')
    .flatMap((line) => lines(line, width, indent))
    .join('\n')
}

function lines(text: string, width: number, indent: string): string[] {
  const result: string[] = []
  let rest = text
  while (columnsOf(rest) > width) {
    const at = breakOf(rest, lengthWithin(rest, width), result.length === 0 ? 0 : indent.length)
    result.push(rest.slice(0, at).trimEnd())
    rest = indent + rest.slice(at).trimStart()
  }
  return [...result, rest]
}

/** Where a line is broken: at a blank, else after a joint of a long word, else anywhere. */
function breakOf(text: string, width: number, from: number): number {
  const head = text.slice(from, width + 1)
  const blank = head.lastIndexOf(' ')
  if (blank > 0) return from + blank
  const joint = /^.*[/:,;._-]/s.exec(text.slice(from, width))?.[0].length ?? 0
  return joint > 0 ? from + joint : width
}
