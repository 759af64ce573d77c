import { glob, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from '../src/database/scope.ts'
import { rankSuspects, type SuspectThresholds } from '../src/incident/rankSuspects.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import type { Fault } from './fault.ts'
import { loadNezha, nezhaDays } from './nezha.ts'
import { loadPetshop, petshopScenarios } from './petshop.ts'
import { prepared } from './prepared.ts'
import { loadSockshop, sockshopRuns } from './sockshop.ts'
import { unpack } from './unpacked.ts'

/**
 * How often the cause of a known fault is the first of the suspects, and how often one of the first three: over every scenario in the folder `petshop` of
 * the data (issues of latency and of availability apart), every day in `nezha`, packed or not, and every run in `sockshop`. `avg5` is the mean of the
 * shares among the first one, two, ... five.
 *
 * `left_out` is what is reached where the thresholds are chosen without the day, scenario or
 * service in question; `calm.suspected` how many of 60 quarters of an hour of a PetShop's normal
 * time have a suspect with a score above 0.2.
 *
 * A scenario, day or run is a tenant. All faults are put as one question: where it hurts, since when, and when all was well. A line a fault goes to stderr:
 * the rank of its cause (0: it is no suspect), and who came first.
 */
export async function* suspects({ data, url }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined) throw new Error('suspects: --data DIR is missing: the folder that has the folders petshop, nezha and sockshop')
  const judged: Judged[] = []
  const calm: number[] = []
  for await (const { files, load } of tenants(data)) {
    const { scope, told, close } = await prepared({ url, files }, load)
    try {
      for (const fault of told) judged.push(await judge(scope, fault))
      if (told[0]?.group.startsWith('petshop')) calm.push(...(await calmScores(scope, told[0])))
    } finally {
      await close()
    }
  }
  if (judged.length === 0) throw new Error(`suspects: ${data} has no scenario in petshop, no day in nezha and no run in sockshop`)
  for (const [group, ofGroup] of [...Map.groupBy(judged, ({ fault }) => fault.group)].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    yield* shares(ofGroup, `suspects.${group}`)
    yield* shares(leftOut(ofGroup, judged), `suspects.${group}.left_out`)
    const parts = Map.groupBy(ofGroup, ({ fault }) => fault.part)
    if (parts.size > 1) for (const [part, ofPart] of parts) for (const figure of shares(ofPart, `${group}.${part}`)) note(figure)
  }
  for (const [at, choice] of choices.entries()) {
    const firsts = [...Map.groupBy(judged, ({ fault }) => fault.group)].map(
      ([group, ofGroup]) => `${group} ${ofGroup.filter(({ ranks }) => ranks[at] === 1).length} of ${ofGroup.length}`,
    )
    console.error(`first with ${JSON.stringify(choice)}: ${firsts.join(', ')}`)
  }
  if (calm.length > 0) {
    yield { figure: 'suspects.calm.windows', value: calm.length, unit: 'windows' }
    yield { figure: 'suspects.calm.suspected', value: calm.filter((score) => score > 0.2).length, unit: 'windows' }
  }
}

/**
 * What is chosen: the thresholds, one of them a step away from its default. The first is the
 * default.
 */
const choices: readonly SuspectThresholds[] = [
  {},
  ...[1.5, 3].map((standardErrors) => ({ standardErrors })),
  ...[1.5, 4].map((deviations) => ({ deviations })),
  ...[1.5, 3].map((latencyFactor) => ({ latencyFactor })),
  ...[20, 100].map((latencyRiseMs) => ({ latencyRiseMs })),
  ...[1.5, 3].map((errorFactor) => ({ errorFactor })),
  ...[0.01, 0.05].map((errorRise) => ({ errorRise })),
  ...[3, 10].map((minCalls) => ({ minCalls })),
]

/**
 * The faults as judged by a choice made without them: for each part of the group the choice that names most causes first in all other parts of all
 * groups, each group with the same weight.
 */
function leftOut(ofGroup: readonly Judged[], all: readonly Judged[]): Judged[] {
  return ofGroup.map((judged) => {
    const others = Map.groupBy(
      all.filter(({ fault }) => fault.group !== judged.fault.group || fault.part !== judged.fault.part),
      ({ fault }) => fault.group,
    )
    const merit = (choice: number) => {
      const firsts = [...others.values()].map((group) => group.filter(({ ranks }) => ranks[choice] === 1).length / group.length)
      return firsts.reduce((sum, share) => sum + share, 0)
    }
    const best = Math.max(...choices.map((_, choice) => merit(choice)))
    const chosen = choices.findIndex((_, choice) => merit(choice) >= best - 1e-9)
    return { ...judged, ranks: [judged.ranks[chosen]!] }
  })
}

/** The highest score in each of 60 quarters of an hour of normal time, over all before it. */
async function calmScores(scope: Scope, { service, baseline: normal }: Fault): Promise<number[]> {
  const [quarter, windows] = [900_000, 60]
  const [first, last] = [normal.from.getTime() + (normal.to.getTime() - normal.from.getTime()) / 4, normal.to.getTime() - quarter]
  const scores: number[] = []
  for (let at = 0; at < windows; at++) {
    const from = new Date(first + ((last - first) * at) / (windows - 1))
    const range = { from, to: new Date(from.getTime() + quarter) }
    const [suspect] = await rankSuspects(scope, { service, range, baseline: { from: normal.from, to: from }, meanings })
      .limit(1)
      .execute()
    scores.push(suspect?.score ?? 0)
  }
  return scores
}

/** What is loaded together. */
interface Tenant {
  files: readonly string[]
  load: (scope: Scope) => Promise<Fault[]>
}

async function* tenants(data: string): AsyncGenerator<Tenant> {
  for (const folder of await petshopScenarios(join(data, 'petshop'))) yield { files: [folder], load: (scope) => loadPetshop(scope, folder) }
  for (const source of await nezhaSources(join(data, 'nezha'))) yield { files: [source], load: (scope) => loadDays(scope, source) }
  for (const folder of await sockshopRuns(join(data, 'sockshop'))) yield { files: [folder], load: (scope) => loadSockshop(scope, folder) }
}

/** The folders and archives of days. */
async function nezhaSources(folder: string): Promise<string[]> {
  const days = await nezhaDays(folder)
  const archives: string[] = []
  for await (const archive of glob('**/*.tar.gz', { cwd: folder })) archives.push(join(folder, archive))
  return [...(days.length > 0 ? [folder] : []), ...archives.toSorted()]
}

async function loadDays(scope: Scope, source: string): Promise<Fault[]> {
  const unpacked = source.endsWith('.tar.gz') ? await mkdtemp(join(tmpdir(), 'pgvantage-')) : undefined
  try {
    if (unpacked !== undefined) await unpack(source, unpacked)
    const faults: Fault[] = []
    for (const day of await nezhaDays(unpacked ?? source)) faults.push(...(await loadNezha(scope, day)))
    return faults
  } finally {
    if (unpacked !== undefined) await rm(unpacked, { recursive: true })
  }
}

/** What OpenTelemetry has no name for, and a user would have to say. */
const meanings = [{ metric: 'service.availability', means: 'availability' }] as const

/** A fault, and for each choice the place of its cause among the suspects: from 1, or 0 where it is none of them. */
interface Judged {
  fault: Fault
  ranks: number[]
}

async function judge(scope: Scope, fault: Fault): Promise<Judged> {
  const { service, trouble, range, baseline, cause } = fault
  const ranks: number[] = []
  for (const [choice, thresholds] of choices.entries()) {
    const suspected = await rankSuspects(scope, { service, trouble, range, baseline, meanings, thresholds }).execute()
    ranks.push(suspected.findIndex(({ urn }) => urn === cause) + 1)
    if (choice > 0) continue
    const first = suspected.slice(0, 3).map(({ urn, score }) => `${nameOf(urn)} ${score.toFixed(2)}`)
    console.error(`${ranks[0]} ${fault.group}: ${fault.name}: ${nameOf(cause)} among ${first.join(', ') || 'none'}`)
  }
  return { fault, ranks }
}

/** The shares whose cause ranks first, among the first three, and the mean of those among the first one to five. */
function* shares(judged: readonly Judged[], prefix: string): Generator<Figure> {
  const within = (places: number) => judged.filter(({ ranks: [rank = 0] }) => rank >= 1 && rank <= places).length / judged.length
  yield { figure: `${prefix}.faults`, value: judged.length, unit: 'faults' }
  yield { figure: `${prefix}.top1`, value: within(1), unit: 'share' }
  yield { figure: `${prefix}.top3`, value: within(3), unit: 'share' }
  yield { figure: `${prefix}.avg5`, value: [1, 2, 3, 4, 5].reduce((sum, places) => sum + within(places) / 5, 0), unit: 'share' }
}

const note = ({ figure, value, unit }: Figure) => console.error(`${figure} ${value.toLocaleString('en')} ${unit}`)
const nameOf = (urn: string) => decodeURIComponent(urn.slice(urn.lastIndexOf('/') + 1))
