import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'

export interface CypherToken {
  /** `name` also stands for keywords, which are no more than names in the right place. */
  kind: 'name' | 'quoted' | 'parameter' | 'string' | 'number' | 'sign'
  /** As it is written; of a parameter, without its `$`. */
  text: string
}

/**
 * One token, as AGE's own scanner cuts them (src/backend/parser/ag_scanner.l of Apache AGE): what it takes for a name or the end of a string decides
 * what a text can call. Every character beyond ASCII belongs to a name; `1.` is a number, but the dots of `1..3` are none of its.
 */
const token = new RegExp(
  [
    /(?<skipped>[\t\n\v\f\r ]+|\/\/[^\n\r]*|\/\*[\s\S]*?\*\/)/u,
    /(?<string>'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*")/u,
    /(?<quoted>`(?:[^`]|``)+`)/u,
    /\$(?<parameter>[A-Za-z_\u0080-\u{10ffff}][$\w\u0080-\u{10ffff}]*)/u,
    /(?<name>[A-Za-z_\u0080-\u{10ffff}][$\w\u0080-\u{10ffff}]*)/u,
    /(?<number>0[Xx][0-9A-Fa-f]+|(?:\d+\.(?!\.)\d*|\.\d+|\d+)(?:[Ee][+-]?\d+)?)/u,
    /(?<sign>\.\.|::|<>|<=|>=|\+=|=~|\|\||[?%()*+,\-./:<=>[\]^{|}@&#!~])/u,
  ]
    .map((part) => part.source)
    .join('|'),
  'uy',
)

/**
 * The tokens of a Cypher text, without spaces and comments.
 *
 * @throws InvalidInputError where a string, a quoted name or a comment does not end, and at a character that begins nothing.
 */
export function cypherTokens(text: string): CypherToken[] {
  const tokens: CypherToken[] = []
  for (let at = 0; at < text.length; at = token.lastIndex) {
    token.lastIndex = at
    const groups = token.exec(text)?.groups
    if (groups === undefined) {
      token.lastIndex = 0
      throw new InvalidInputError('text', `${problemAt(text, at)} at position ${at}: ${preview(text.slice(at))}`)
    }
    const [kind, found] = Object.entries(groups).find(([, part]) => part !== undefined)!
    if (kind !== 'skipped') tokens.push({ kind: kind as CypherToken['kind'], text: found })
  }
  return tokens
}

function problemAt(text: string, at: number): string {
  if (/['"`]/.test(text[at]!)) return 'has a string or a quoted name that does not end'
  if (text[at] === ';') return 'must be one query without a semicolon, but has one'
  return 'has a character that begins nothing in Cypher'
}
