import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'

/**
 * Builds a Cypher text with labels and hop counts in it, which cannot be parameters.
 *
 * | value | allowed after | must be |
 * |---|---|---|
 * | string | a colon | a label: a letter, then letters, digits and underscores, at most 48 |
 * | number | `*` or `..` | a bound of hops: an integer from 0 to 100 |
 *
 * Every other value must be a parameter of `cypher`.
 *
 * @throws InvalidInputError if a value is not one of these, or is in another place.
 * @example
 * cypherText`MATCH (a)-[:${'CALLS'}*1..${3}]->(b) WHERE a.urn = $urn RETURN DISTINCT b.urn`
 * // MATCH (a)-[:`CALLS`*1..3]->(b) WHERE a.urn = $urn RETURN DISTINCT b.urn
 */
export function cypherText(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return texts.reduce((before, text, index) => `${before}${inlined(values[index - 1]!, before, index - 1)}${text}`)
}

function inlined(value: string | number, before: string, index: number): string {
  const field = `values[${index}]`
  if (typeof value === 'number') {
    if (!/(?:\*|\.\.)\s*$/.test(before)) {
      throw new InvalidInputError(field, `must be a parameter: only a bound of hops may be inlined, after * or .., got ${value}`)
    }
    if (!Number.isInteger(value) || value < 0 || value > 100)
      throw new InvalidInputError(field, `must be an integer from 0 to 100, got ${value}`)
    return String(value)
  }
  if (!/[^:]:\s*$/.test(before)) {
    throw new InvalidInputError(field, `must be a parameter: only a label may be inlined, after a colon, got ${preview(value)}`)
  }
  if (typeof value !== 'string' || !/^[A-Za-z][A-Za-z0-9_]{0,47}$/.test(value)) {
    throw new InvalidInputError(field, `must be a label: a letter, then letters, digits and underscores, at most 48, got ${preview(value)}`)
  }
  return `\`${value}\``
}
