/** A piece of evidence: one of a suspect's `evidence` in `rankSuspects`. */
export interface DrawnEvidence {
  kind: 'call' | 'metric' | 'pattern' | 'shape' | 'silence'
  measure: string
  expected: number
  actual: number
  unit: string | null
  src_urn: string | null
  dst_urn: string | null
  pattern: string | null
}

/** The last part of a URN. */
export const shortName = (urn: string): string => urn.slice(urn.lastIndexOf('/') + 1)

/**
 * A piece of evidence in a few words: `p95_ms 68 ms -> 3,800 ms, seen by checkout`,
 * `container.memory.usage 95.4 MiB -> 286 MiB`, `logs the error "card refused <*>": 0 -> 48`,
 * `calls of ledger: 120 -> 0`.
 */
export function evidenceText(
  { kind, measure, expected, actual, unit, src_urn, dst_urn, pattern }: DrawnEvidence,
  nameOf: (urn: string) => string = shortName,
): string {
  const values = changed(expected, actual, unit)
  switch (kind) {
    case 'call':
      return `${measure} ${values}, seen by ${nameOf(src_urn ?? '')}`
    case 'metric':
      return `${measure} ${values}`
    case 'pattern':
      return `${measure === 'count_error' ? 'logs the error' : 'logs'} ${JSON.stringify(pattern)}: ${values}`
    case 'shape':
      return `calls of ${nameOf(dst_urn ?? '')}: ${values}`
    case 'silence':
      return `says nothing any more: ${values} with metrics`
  }
}

/**
 * Of each kind of evidence what tells most, in the order of `rankSuspects`: so that patterns and
 * shapes are not hidden by many calls.
 */
export const mostOfEachKind = <Piece extends DrawnEvidence>(evidence: readonly Piece[]): Piece[] =>
  [...Map.groupBy(evidence, ({ kind }) => kind).values()].map(([most]) => most!)

/** Both values with their unit, alike: `48.2 ms -> 1,420 ms`, `2 % -> 40 %`, `1.5 cpu -> 3 cpu`. */
function changed(expected: number, actual: number, unit: string | null): string {
  const most = Math.max(Math.abs(expected), Math.abs(actual))
  const shown = (factor: number, word: string) =>
    [expected, actual].map((value) => `${(value * factor).toLocaleString('en', { maximumSignificantDigits: 3 })}${word}`).join(' -> ')
  // A ratio of one and more, such as a load, is no share of a whole.
  if (unit === '1') return most <= 1 ? shown(100, ' %') : shown(1, '')
  if (unit === 'By') {
    const power = Math.min(binary.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(most, 1)) / 10)))
    return shown(1024 ** -power, ` ${binary[power]!}`)
  }
  if (unit === null || unit === '{record}' || unit === '{call}') return shown(1, '')
  // Braces mark words that are no unit of measure: `{cpu}`, `{request}/s`.
  return shown(1, ` ${unit.replaceAll(/[{}]/g, '')}`)
}

const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const
