import type { SuspectEvidence } from '../incident/rankSuspects.ts'

/** The last part of a URN. */
export const shortName = (urn: string): string => urn.slice(urn.lastIndexOf('/') + 1)

/**
 * A piece of evidence in a few words: `p95_ms 68 ms -> 3,800 ms, seen by checkout`,
 * `logs the error "card refused <*>": 0 -> 48`, `calls of ledger: 120 -> 0`.
 */
export function evidenceText(
  { kind, measure, expected, actual, src_urn, dst_urn, pattern }: SuspectEvidence,
  nameOf: (urn: string) => string = shortName,
): string {
  const values = `${measured(measure, expected)} -> ${measured(measure, actual)}`
  switch (kind) {
    case 'call':
      return `${measure} ${values}, seen by ${nameOf(src_urn ?? '')}`
    case 'metric':
      return `${measure} ${values}`
    case 'pattern':
      return `${measure === 'count_error' ? 'logs the error' : 'logs'} ${JSON.stringify(pattern)}: ${values}`
    case 'shape':
      return `calls of ${nameOf(dst_urn ?? '')}: ${values}`
  }
}

/** A value in the unit of its measure. */
const measured = (measure: string, value: number): string => {
  const number = (digits: number, of = value) => of.toLocaleString('en', { maximumSignificantDigits: digits })
  if (measure === 'p95_ms') return `${number(3)} ms`
  if (measure === 'err_rate') return `${number(3, 100 * value)} %`
  return number(3)
}
