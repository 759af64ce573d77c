import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../src/graph/analysis/seededRandom.ts'
import { defaultThresholds, type Thresholds } from '../src/logs/miner/families.ts'
import { createLogMiner, minerWith } from '../src/logs/miner/logMiner.ts'
import { patternOf } from '../src/logs/pattern.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { csvRows } from './csv.ts'
import { drain } from './drain.ts'

const orders = 5

/** The lines of a system, each with the event that people say it is. */
interface Labelled {
  system: string
  lines: string[]
  events: string[]
}

/**
 * How well log messages are grouped, on every system in `DIR/loghub`: the share of lines whose group has exactly the lines of one labelled event (grouping
 * accuracy, `ga`), and F1 over groups (`fga`), since accuracy hides rare ones. Beside the miner, in the same run: masks alone, and Drain.
 */
export async function* patterns({ data }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined) throw new Error('patterns needs --data DIR, with DIR/loghub')
  const systems = labelledSystems(join(data, 'loghub'))
  const mined = systems.map((system) => judge(system, mine(system.lines)))
  for (const [position, { system }] of systems.entries()) {
    yield { figure: `patterns.ga.${system}`, value: mined[position]!.ga, unit: 'share' }
    yield { figure: `patterns.fga.${system}`, value: mined[position]!.fga, unit: 'share' }
  }
  yield { figure: 'patterns.ga.mean', value: mean(mined.map(({ ga }) => ga)), unit: 'share' }
  yield { figure: 'patterns.ga.worst', value: Math.min(...mined.map(({ ga }) => ga)), unit: 'share' }
  yield { figure: 'patterns.fga.mean', value: mean(mined.map(({ fga }) => fga)), unit: 'share' }
  yield { figure: 'patterns.ga.left_out', value: leftOut(systems), unit: 'share' }

  const others = { masks: () => patternOf, drain }
  for (const [name, parser] of Object.entries(others)) {
    const judged = systems.map((system) => judge(system, system.lines.map(parser())))
    yield { figure: `patterns.${name}.ga.mean`, value: mean(judged.map(({ ga }) => ga)), unit: 'share' }
    yield { figure: `patterns.${name}.ga.worst`, value: Math.min(...judged.map(({ ga }) => ga)), unit: 'share' }
    yield { figure: `patterns.${name}.fga.mean`, value: mean(judged.map(({ fga }) => fga)), unit: 'share' }
  }

  const random = seededRandom(7)
  const shuffled = systems.map((system) => Array.from({ length: orders }, () => inOrder(system, shuffle(system.lines.length, random))))
  const inEachOrder = Array.from({ length: orders }, (_, order) =>
    mean(shuffled.map((runs, position) => judge(systems[position]!, runs[order]!).ga)),
  )
  yield { figure: 'patterns.order_spread', value: Math.max(...inEachOrder) - Math.min(...inEachOrder), unit: 'share' }
  const stable = shuffled.map((runs) => mean(runs[0]!.map((id, line) => (runs.every((run) => run[line] === id) ? 1 : 0))))
  yield { figure: 'patterns.stable_ids', value: mean(stable), unit: 'share' }

  const lines = systems.flatMap((system) => system.lines)
  const speed = (of: () => (line: string) => unknown) =>
    Math.max(
      ...Array.from({ length: 5 }, () => {
        const parse = of()
        const from = performance.now()
        for (const line of lines) parse(line)
        return (1000 * lines.length) / (performance.now() - from)
      }),
    )
  const ours = speed(() => {
    const miner = createLogMiner()
    return (line) => miner.learn(line)
  })
  yield { figure: 'patterns.lines_per_s', value: ours, unit: 'lines/s' }
  yield { figure: 'patterns.vs_masks', value: ours / speed(() => patternOf), unit: 'x' }
  yield { figure: 'patterns.vs_drain', value: ours / speed(drain), unit: 'x' }
}

function labelledSystems(folder: string): Labelled[] {
  return readdirSync(folder)
    .sort()
    .map((system) => {
      const file = readdirSync(join(folder, system)).find((name) => name.endsWith('_structured.csv'))
      if (file === undefined) throw new Error(`${join(folder, system)} has no file that ends with _structured.csv`)
      const rows = [...csvRows(readFileSync(join(folder, system, file), 'utf8'))]
      return { system, lines: rows.map((row) => row['Content'] ?? ''), events: rows.map((row) => row['EventId'] ?? '') }
    })
}

/** The fingerprints of lines once all of them are learnt. */
function mine(lines: readonly string[], thresholds: Thresholds = defaultThresholds): string[] {
  const miner = minerWith(thresholds)
  const first = lines.map((line) => miner.learn(line).fingerprint)
  return first.map((fingerprint) => miner.resolve(fingerprint))
}

/** The fingerprints of a system's lines, learnt in another order. */
function inOrder({ lines }: Labelled, order: readonly number[]): string[] {
  const mined = mine(order.map((line) => lines[line]!))
  const ids: string[] = []
  for (const [position, line] of order.entries()) ids[line] = mined[position]!
  return ids
}

function shuffle(length: number, random: () => number): number[] {
  const order = Array.from({ length }, (_, at) => at)
  for (let at = length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1))
    ;[order[at], order[other]] = [order[other]!, order[at]!]
  }
  return order
}

function judge({ events }: Labelled, ids: readonly string[]): { ga: number; fga: number } {
  const groups = new Map<string, Set<string>>()
  const sizes = new Map<string, number>()
  const eventSizes = new Map<string, number>()
  for (const [line, id] of ids.entries()) {
    const event = events[line]!
    groups.set(id, (groups.get(id) ?? new Set()).add(event))
    sizes.set(id, (sizes.get(id) ?? 0) + 1)
    eventSizes.set(event, (eventSizes.get(event) ?? 0) + 1)
  }
  const right = [...groups].filter(([id, of]) => of.size === 1 && eventSizes.get([...of][0]!) === sizes.get(id)).map(([id]) => id)
  return {
    ga: right.reduce((sum, id) => sum + sizes.get(id)!, 0) / events.length,
    fga: (2 * right.length) / (groups.size + eventSizes.size),
  }
}

/**
 * Each system by the thresholds that are best for the others, by the sum of both measures; of equal ones those in the middle.
 */
function leftOut(systems: readonly Labelled[]): number {
  const candidates = [4, 5, 6, 7, 8, 10].flatMap((any) =>
    [8, 12, 20].flatMap((first) => [2, 3, 4, 5].map((named): Thresholds => ({ any, first, named }))),
  )
  const judged = candidates.map((thresholds) => ({
    thresholds,
    of: systems.map((system) => judge(system, mine(system.lines, thresholds))),
  }))
  return mean(
    systems.map((system, out) => {
      const rated = judged.map(({ thresholds, of }) => ({
        thresholds,
        rating: of.reduce((sum, { ga, fga }, position) => sum + (position === out ? 0 : ga + fga), 0),
      }))
      const most = Math.max(...rated.map(({ rating }) => rating))
      const best = rated.filter(({ rating }) => rating > most - 1e-9).map(({ thresholds }) => thresholds)
      const middle = (of: keyof Thresholds) =>
        best.map((thresholds) => thresholds[of]).sort((a, b) => a - b)[Math.floor((best.length - 1) / 2)]!
      return judge(system, mine(system.lines, { any: middle('any'), first: middle('first'), named: middle('named') })).ga
    }),
  )
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
