import { glob, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { sql } from 'kysely'
import type { TimeRange } from '../src/database/range.ts'
import type { Scope } from '../src/database/scope.ts'
import { rankSuspects } from '../src/incident/rankSuspects.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import type { Fault } from './fault.ts'
import { loadPetshop, petshopScenarios } from './petshop.ts'
import { newTenant, openTarget } from './target.ts'
import { loadNezha, nezhaDays } from './nezha.ts'
import { unpack } from './unpacked.ts'

/**
 * How often the cause of a known fault is the first of the suspects, and how often one of the first three: over every scenario in the folder `petshop` of
 * the data, issues of latency and of availability apart, and over every day in the folder `nezha`, packed or not.
 *
 * A scenario or day is a tenant. All faults are put as one question: where it hurts, since when, and when all was well. A line a fault goes to stderr:
 * the rank of its cause (0: it is no suspect), and who came first.
 */
export async function* suspects({ data, url }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined) throw new Error('suspects: --data DIR is missing: the folder that has the folders petshop and nezha')
  const { db, close } = await openTarget(url)
  const unpacked = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  try {
    const petshop: Judged[] = []
    for (const folder of await petshopScenarios(join(data, 'petshop'))) {
      petshop.push(...(await judge(basename(folder), await newTenant(db), (scope) => loadPetshop(scope, folder))))
    }
    yield* shares(petshop, 'suspects.petshop')

    const nezha: Judged[] = []
    for await (const days of nezhaFolders(join(data, 'nezha'), unpacked)) {
      for (const day of await nezhaDays(days)) nezha.push(...(await judge(day.day, await newTenant(db), (scope) => loadNezha(scope, day))))
    }
    yield* shares(nezha, 'suspects')
    if (petshop.length + nezha.length === 0) throw new Error(`suspects: ${data} has no scenario in petshop and no day in nezha`)
  } finally {
    await rm(unpacked, { recursive: true })
    await close()
  }
}

/** What OpenTelemetry has no name for, and a user would have to say. */
const meanings = [{ metric: 'service.availability', means: 'availability' }] as const

/** A fault, and the place of its cause among the suspects: from 1, or 0 where it is none of them. */
interface Judged {
  fault: Fault
  rank: number
}

async function judge(name: string, scope: Scope, load: (scope: Scope) => Promise<Fault[]>): Promise<Judged[]> {
  const faults = await load(scope)
  // As autovacuum does, were it given the time.
  await sql`analyze`.execute(scope.db)
  const judged: Judged[] = []
  for (const fault of faults) {
    const { service, trouble, range, baseline, cause } = fault
    if (baseline.from < range.to && range.from < baseline.to) {
      const span = ({ from, to }: TimeRange) => `${from.toISOString()} to ${to.toISOString()}`
      console.error(`- ${fault.group}: ${fault.name}: left out, since its calm time (${span(baseline)}) overlaps it (${span(range)})`)
      continue
    }
    const suspected = await rankSuspects(scope, { service, trouble, range, baseline, meanings }).execute()
    const rank = suspected.findIndex(({ urn }) => urn === cause) + 1
    const first = suspected.slice(0, 3).map(({ urn, score }) => `${nameOf(urn)} ${score.toFixed(2)}`)
    console.error(`${rank} ${fault.group}: ${fault.name}: ${nameOf(cause)} among ${first.join(', ') || 'none'}`)
    judged.push({ fault, rank })
  }
  for (const { figure, value, unit } of shares(judged, name)) console.error(`${figure} ${value.toLocaleString('en')} ${unit}`)
  return judged
}

/** For each group of faults the shares whose cause ranks first, and among the first three. */
function* shares(judged: readonly Judged[], prefix: string): Generator<Figure> {
  for (const [group, ofGroup] of [...Map.groupBy(judged, ({ fault }) => fault.group)].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    yield { figure: `${prefix}.${group}.faults`, value: ofGroup.length, unit: 'faults' }
    for (const places of [1, 3]) {
      const hits = ofGroup.filter(({ rank }) => rank >= 1 && rank <= places).length
      yield { figure: `${prefix}.${group}.top${places}`, value: hits / ofGroup.length, unit: 'share' }
    }
  }
}

/** The folder itself, and each of its archives, unpacked one after another. */
async function* nezhaFolders(folder: string, unpacked: string): AsyncGenerator<string> {
  yield folder
  const archives: string[] = []
  for await (const archive of glob('**/*.tar.gz', { cwd: folder })) archives.push(archive)
  for (const [at, archive] of archives.toSorted().entries()) {
    const into = join(unpacked, String(at))
    await unpack(join(folder, archive), into)
    yield into
    await rm(into, { recursive: true })
  }
}

const nameOf = (urn: string) => decodeURIComponent(urn.slice(urn.lastIndexOf('/') + 1))
