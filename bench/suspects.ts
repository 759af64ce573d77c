import { glob, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from '../src/database/scope.ts'
import { rankSuspects } from '../src/incident/rankSuspects.ts'
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
 * A scenario, day or run is a tenant. All faults are put as one question: where it hurts, since when, and when all was well. A line a fault goes to stderr:
 * the rank of its cause (0: it is no suspect), and who came first.
 */
export async function* suspects({ data, url }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined) throw new Error('suspects: --data DIR is missing: the folder that has the folders petshop, nezha and sockshop')
  const judged: Judged[] = []
  for await (const { files, load } of tenants(data)) {
    const { scope, told, close } = await prepared({ url, files }, load)
    try {
      for (const fault of told) judged.push(await judge(scope, fault))
    } finally {
      await close()
    }
  }
  if (judged.length === 0) throw new Error(`suspects: ${data} has no scenario in petshop, no day in nezha and no run in sockshop`)
  for (const [group, ofGroup] of [...Map.groupBy(judged, ({ fault }) => fault.group)].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    yield* shares(ofGroup, `suspects.${group}`)
    const parts = Map.groupBy(ofGroup, ({ fault }) => fault.part)
    if (parts.size > 1) for (const [part, ofPart] of parts) for (const figure of shares(ofPart, `${group}.${part}`)) note(figure)
  }
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

/** A fault, and the place of its cause among the suspects: from 1, or 0 where it is none of them. */
interface Judged {
  fault: Fault
  rank: number
}

async function judge(scope: Scope, fault: Fault): Promise<Judged> {
  const { service, trouble, range, baseline, cause } = fault
  const suspected = await rankSuspects(scope, { service, trouble, range, baseline, meanings }).execute()
  const rank = suspected.findIndex(({ urn }) => urn === cause) + 1
  const first = suspected.slice(0, 3).map(({ urn, score }) => `${nameOf(urn)} ${score.toFixed(2)}`)
  console.error(`${rank} ${fault.group}: ${fault.name}: ${nameOf(cause)} among ${first.join(', ') || 'none'}`)
  return { fault, rank }
}

/** The shares whose cause ranks first, among the first three, and the mean of those among the first one to five. */
function* shares(judged: readonly Judged[], prefix: string): Generator<Figure> {
  const within = (places: number) => judged.filter(({ rank }) => rank >= 1 && rank <= places).length / judged.length
  yield { figure: `${prefix}.faults`, value: judged.length, unit: 'faults' }
  yield { figure: `${prefix}.top1`, value: within(1), unit: 'share' }
  yield { figure: `${prefix}.top3`, value: within(3), unit: 'share' }
  yield { figure: `${prefix}.avg5`, value: [1, 2, 3, 4, 5].reduce((sum, places) => sum + within(places) / 5, 0), unit: 'share' }
}

const note = ({ figure, value, unit }: Figure) => console.error(`${figure} ${value.toLocaleString('en')} ${unit}`)
const nameOf = (urn: string) => decodeURIComponent(urn.slice(urn.lastIndexOf('/') + 1))
