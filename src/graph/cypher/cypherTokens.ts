import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'

export interface CypherToken {
  /** `name` includes keywords: they are names in the right place. */
  kind: 'name' | 'quoted' | 'parameter' | 'string' | 'number' | 'sign'
  /** As written; a parameter without its `$`. */
  text: string
}

/**
 * The kinds of tokens, cut as AGE's own scanner cuts them (src/backend/parser/ag_scanner.l of
 * Apache AGE): what it takes for a name or for the end of a string decides what a text can call.
 * Every character beyond ASCII belongs to a name. `1.` is a number, but in `1..3` the dots are not
 * part of it. The kinds are tried in this order and at one position only.
 */
const kinds = [
  ['skipped', /([\t\n\v\f\r ]+|\/\/[^\n\r]*|\/\*[\s\S]*?\*\/)/uy],
  ['string', /('(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*")/uy],
  ['quoted', /(`(?:[^`]|``)+`)/uy],
  ['parameter', /\$([A-Za-z_\u0080-\u{10ffff}][$\w\u0080-\u{10ffff}]*)/uy],
  ['name', /([A-Za-z_\u0080-\u{10ffff}][$\w\u0080-\u{10ffff}]*)/uy],
  ['number', /(0[Xx][0-9A-Fa-f]+|(?:\d+\.(?!\.)\d*|\.\d+|\d+)(?:[Ee][+-]?\d+)?)/uy],
  ['sign', /(\.\.|::|<>|<=|>=|\+=|=~|\|\||[?%()*+,\-./:<=>[\]^{|}@&#!~])/uy],
] as const

/**
 * The tokens of a Cypher text, without spaces and comments.
 *
 * @throws InvalidInputError if a string, a quoted name or a comment does not end, or at a character
 * that cannot begin a token.
 */
export function cypherTokens(text: string): CypherToken[] {
  const tokens: CypherToken[] = []
  for (let at = 0; at < text.length;) {
    const { kind, found, end } = tokenAt(text, at)
    if (kind !== 'skipped') tokens.push({ kind, text: found })
    at = end
  }
  return tokens
}

function tokenAt(text: string, at: number) {
  for (const [kind, pattern] of kinds) {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[1]
    // A comment that begins must end: its first two characters are not signs, and its end is
    // searched for once.
    if (found === undefined && kind === 'skipped' && text.startsWith('/*', at)) break
    if (found !== undefined) return { kind, found, end: pattern.lastIndex }
  }
  throw new InvalidInputError('text', `${problemAt(text, at)} at position ${at}: ${preview(text.slice(at))}`)
}

function problemAt(text: string, at: number): string {
  if (/['"`]/.test(text[at]!)) return 'has a string or a quoted name that does not end'
  if (text.startsWith('/*', at)) return 'has a comment that does not end'
  if (text[at] === ';') return 'must be one query without a semicolon, but has one'
  return 'has a character that begins nothing in Cypher'
}
