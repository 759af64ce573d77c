import { InvalidInputError, MissingCapabilityError } from '../../schema/errors.ts'
import { parse, preview } from '../../schema/parse.ts'
import { boundedText } from '../../schema/text.ts'
import { missingClauses, missingFunctions, onCreateSet, severalLabels, unsafeMerge, type MissingFeature } from './cypherFeatures.ts'
import { isWide, mayCall } from './cypherFunctions.ts'
import { cypherTokens, type CypherToken } from './cypherTokens.ts'

export interface CheckedCypher {
  /** The names of the parameters in the text. */
  parameters: ReadonlySet<string>
  /**
   * The features it uses that AGE has from 1.6 on, as part of a sentence; empty if there are none.
   */
  newer: string
  /** The functions it calls that need a 64-bit server, separated by commas. */
  wide: string
}

/** The text goes into the statement between dollar quotes, and a statement has a maximum length. */
const cypherSource = boundedText(100_000).refine(
  (text) => !text.includes('$pgvantage_cypher$'),
  'must not hold $pgvantage_cypher$, which encloses it',
)

/**
 * Keywords, in any version of AGE, that an opening parenthesis may follow. They are never function
 * names.
 */
const beforeParenthesis = new Set(
  'AND AS BY CASE CONTAINS CREATE DELETE DISTINCT ELSE IN LIMIT MATCH MERGE NOT OR REMOVE RETURN SET SKIP THEN UNWIND WHEN WHERE WITH XOR'.split(
    ' ',
  ),
)

const writing = new Set(['CREATE', 'DELETE', 'DETACH', 'MERGE', 'REMOVE', 'SET'])

/** What may follow `::`. AGE itself accepts any type of the server. */
const casts = new Set(['BOOL', 'BOOLEAN', 'EDGE', 'FLOAT', 'INT', 'INTEGER', 'NUMERIC', 'PATH', 'VERTEX'])

/**
 * Refuses a text that could do more than query the tenant's own graph, or that AGE would not
 * understand or would run wrongly.
 *
 * The only way out of the graph is a call: AGE finds functions in any schema
 * (`pg_catalog.version()`), gives any graph to some of them (`startnode('ops_2', e)`), casts to any
 * type of the server and calls procedures. Therefore only Cypher's own functions and types pass.
 * The check reads tokens, cut as AGE cuts them, and no grammar: AGE itself refuses what is not
 * Cypher.
 *
 * @throws InvalidInputError for a text that is refused. MissingCapabilityError for a feature that
 * AGE lacks.
 */
export function checkCypher(text: string, { write }: { write: boolean }): CheckedCypher {
  parse(cypherSource, text, 'text')
  const tokens = cypherTokens(text)
  const clauses = clausesOf(tokens)
  tokens.forEach((_, index) => {
    checkCall(tokens, index)
    checkCast(tokens, index)
    checkLabels(tokens, index)
  })
  const changing = clauses.find((clause) => writing.has(clause))
  if (changing !== undefined && !write) {
    throw new InvalidInputError('text', `has ${changing}, which changes the graph: give { write: true } to allow it`)
  }
  const merges = clauses.filter((clause) => clause === 'MERGE').length
  if (merges > 1 || (merges === 1 && clauses.some((clause) => ['MATCH', 'UNWIND', 'WITH'].includes(clause)))) refuse(unsafeMerge)
  return {
    parameters: new Set(tokens.flatMap(({ kind, text }) => (kind === 'parameter' ? [text] : []))),
    newer: newerFeatures(tokens).join(' and '),
    wide: [...new Set(calls(tokens).filter(isWide))].join(', '),
  }
}

/** A name before a parenthesis is a call, unless it is a keyword. */
function checkCall(tokens: readonly CypherToken[], index: number): void {
  const { kind, text } = tokens[index]!
  if ((kind !== 'name' && kind !== 'quoted') || !isSign(tokens[index + 1], '(')) return
  if (isSign(tokens[index - 1], '.'))
    throw new InvalidInputError('text', `calls a function by its schema, which is not allowed: ${shown(tokens, index)}`)
  if (kind === 'name' && (beforeParenthesis.has(upper(text)) || mayCall(text))) return
  const missing = kind === 'name' ? missingFunctions[upper(text)] : undefined
  if (missing !== undefined) refuse(missing)
  if (/^(start|end)node$/i.test(text)) throw new InvalidInputError('text', `must write ${text} as startNode or endNode`)
  throw new InvalidInputError('text', `calls ${preview(text)}, which is not a Cypher function of AGE`)
}

/** The names before parentheses. */
const calls = (tokens: readonly CypherToken[]): string[] =>
  tokens.flatMap(({ kind, text }, index) => (kind === 'name' && isSign(tokens[index + 1], '(') ? [text] : []))

function checkCast(tokens: readonly CypherToken[], index: number): void {
  if (!isSign(tokens[index], '::')) return
  const type = tokens[index + 1]
  if (type?.kind === 'name' && casts.has(upper(type.text)) && !isSign(tokens[index + 2], '.')) return
  throw new InvalidInputError(
    'text',
    `casts to ${preview(type?.text ?? '')}; what it may cast to is ${[...casts].join(', ').toLowerCase()}`,
  )
}

/** Finds `:A|B` and `:A:B`. A map has commas between its keys. */
function checkLabels(tokens: readonly CypherToken[], index: number): void {
  const [colon, label, next, more] = tokens.slice(index, index + 4)
  if (!isSign(colon, ':') || !isName(label) || !isName(more)) return
  if (isSign(next, ':') || isSign(next, '|')) refuse(severalLabels)
}

/** The keywords that begin clauses, in order, in upper case. */
function clausesOf(tokens: readonly CypherToken[]): string[] {
  return tokens.flatMap((_, index) => {
    const word = keyword(tokens, index)
    if (word === undefined) return []
    if (word === 'ON' && ['CREATE', 'MATCH'].includes(keyword(tokens, index + 1) ?? '')) refuse(onCreateSet)
    const missing = missingClauses[word]
    if (missing !== undefined && (word !== 'LOAD' || keyword(tokens, index + 1) === 'CSV') && (word !== 'PROFILE' || index === 0))
      refuse(missing)
    if (word === 'WITH' && ['STARTS', 'ENDS'].includes(keyword(tokens, index - 1) ?? '')) return []
    return writing.has(word) || word === 'MATCH' || word === 'UNWIND' || word === 'WITH' ? [word] : []
  })
}

/**
 * A name in upper case, unless it is a property (`n.set`), a label (`:Set`) or a key of a map
 * (`{set: 1}`).
 */
function keyword(tokens: readonly CypherToken[], index: number): string | undefined {
  const token = tokens[index]
  if (token?.kind !== 'name') return undefined
  const [before, after] = [tokens[index - 1], tokens[index + 1]]
  return isSign(before, '.') || isSign(before, ':') || isSign(after, ':') ? undefined : upper(token.text)
}

function newerFeatures(tokens: readonly CypherToken[]): string[] {
  const found = new Set<string>()
  tokens.forEach((token, index) => {
    const next = tokens[index + 1]
    const word = token.kind === 'name' ? upper(token.text) : ''
    if (isSign(next, '{') && (word === 'EXISTS' || word === 'COUNT')) found.add(`${word} { ... }, which needs 1.6`)
    else if (isName(token) && isSign(next, '{') && isSign(tokens[index + 2], '.')) found.add('map projections, which need 1.6')
    if (isSign(token, '[') && isName(next) && keyword(tokens, index + 2) === 'IN') found.add('list comprehensions as this, which need 1.6')
  })
  return [...found]
}

function refuse({ feature, instead }: MissingFeature): never {
  throw new MissingCapabilityError(`Apache AGE up to 1.7 does not support ${feature}: ${instead}`)
}

/** As AGE compares keywords: ASCII letters only, because Unicode makes `S` of `ſ`. */
const upper = (text: string): string => text.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())

const isSign = (token: CypherToken | undefined, sign: string): boolean => token?.kind === 'sign' && token.text === sign

const isName = (token: CypherToken | undefined): token is CypherToken => token?.kind === 'name' || token?.kind === 'quoted'

/** The call as written, with the qualifier before its dot. */
const shown = (tokens: readonly CypherToken[], index: number): string =>
  preview(
    tokens
      .slice(Math.max(0, index - 2), index + 1)
      .map(({ text }) => text)
      .join(''),
  )
