import type { ChangedPattern } from '../../logs/changedPatterns.ts'
import type { NewPattern } from '../../logs/newPatterns.ts'
import type { NoisyPattern } from '../../logs/noisiestPatterns.ts'
import { table } from '../table.ts'
import { between, whose, type FoundPatterns, type PatternQuestion } from './findPatterns.ts'

/** What the patterns do, said of one and of several. */
const verbs: Readonly<Record<PatternQuestion, readonly [one: string, several: string]>> = {
  noisiest: ['was logged', 'were logged'],
  new: ['is new', 'are new'],
  bursting: ['bursts', 'burst'],
  vanished: ['has vanished', 'have vanished'],
}

/** The patterns found, as a person reads them: a sentence, and a table if there are any. */
export function describePatterns(found: FoundPatterns, width: number): string {
  const { which, range, baseline, patterns, more } = found
  const all = patterns.length + more
  const [one, several] = verbs[which]
  const compared = baseline === null ? '' : `, compared with the time ${between(baseline)}`
  const count = all === 0 ? 'no pattern' : all === 1 ? '1 pattern' : `${number(all)} patterns`
  const sentence = `${count} of ${whose(found)} ${all > 1 ? several : one} ${between(range)}${compared}\n`
  const rows = patterns.length === 0 ? '' : tableOf(found, width)
  return `${sentence}${rows}${more === 0 ? '' : `and ${number(more)} more: --limit\n`}`
}

function tableOf({ which, patterns }: FoundPatterns, width: number): string {
  switch (which) {
    case 'noisiest':
      return table(['count', 'share', 'growth', 'errors', 'logged by', 'pattern'], patterns.map(noisyRow), {
        right: [0, 1, 2, 3],
        cut: [5],
        width,
      })
    case 'new':
      return table(['count', 'first seen', 'severity', 'logged by', 'pattern'], patterns.map(newRow), { right: [0], cut: [4], width })
    case 'bursting':
    case 'vanished':
      return table(['count', 'expected', 'score', 'severity', 'URN', 'pattern'], patterns.map(changedRow), {
        right: [0, 1, 2],
        cut: [5],
        width,
      })
  }
}

const noisyRow = ({ count_total, share, growth, count_error, resources, pattern }: NoisyPattern) => [
  number(count_total),
  share.toLocaleString('en', { style: 'percent', maximumFractionDigits: 1 }),
  growth === null ? '' : number(growth),
  number(count_error),
  few(resources),
  pattern,
]

const newRow = ({ count_total, first_seen, severity, resources, pattern }: NewPattern) => [
  number(count_total),
  first_seen === null ? '' : first_seen.toISOString().replace(/\.\d+Z$/, 'Z'),
  severity ?? '',
  few(resources),
  pattern,
]

const changedRow = ({ count_total, expected, score, severity, urn, pattern }: ChangedPattern) => [
  number(count_total),
  number(expected),
  number(score),
  severity ?? '',
  urn,
  pattern,
]

const few = (resources: readonly string[]) =>
  resources.length > 3 ? `${resources.slice(0, 3).join('\n')}\nand ${resources.length - 3} more` : resources.join('\n')

const number = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 1 })
