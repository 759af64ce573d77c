/**
 * What changed since last week, read like a notebook: which dependencies are new or gone, when that happened, and what it means for the person on call.
 *
 *     npm run changes               in an embedded PostgreSQL; writes changes/changes.html beside the text
 *     npm run changes -- FOLDER
 *
 * The data is made by twoWeeks.ts, which also says what is hidden in it.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import {
  compareTopology,
  cycles,
  edgeHistory,
  ensureTenant,
  impact,
  migrateUp,
  resourceNames,
  singlePointsOfFailure,
  tenantScope,
  toGraphology,
  topologyAt,
  topologyChanges,
} from '../../src/index.ts'
import { changePicture, picturePage, type PageSection } from '../../src/picture/index.ts'
import { hidden, lastWeek, today, writeTwoWeeks } from './twoWeeks.ts'

const { db, close } = await openEmbedded()
await migrateUp(db)
await ensureTenant(db, { code: 'changes' })
const scope = await tenantScope(db, 'changes')
await writeTwoWeeks(scope)

const sections: PageSection[] = []
function show(section: PageSection) {
  sections.push(section)
  console.log(`\n${section.heading}\n${[section.text ?? []].flat().join('\n')}`)
  for (const row of section.table?.rows ?? []) console.log(`  ${row.join('  ')}`)
}
const nameOf = (urn: string) => urn.slice(Math.max(urn.lastIndexOf('/'), urn.lastIndexOf(':')) + 1)
const minute = (time: Date | null) => (time === null ? 'until now' : time.toISOString().slice(0, 16).replace('T', ' '))
const list = (names: readonly string[]) => names.map(nameOf).join(', ') || 'none'

// 1. Last Sunday against today: what a picture can hold.
const calls = await compareTopology(scope, { before: lastWeek, after: today, relation: 'calls', withUnchanged: true }).execute()
const was = new Set(calls.filter(({ kind }) => kind !== 'appeared').flatMap(({ src_urn, dst_urn }) => [src_urn, dst_urn]))
const is = new Set(calls.filter(({ kind }) => kind !== 'vanished').flatMap(({ src_urn, dst_urn }) => [src_urn, dst_urn]))
const appeared = [...is].filter((urn) => !was.has(urn))
const vanished = [...was].filter((urn) => !is.has(urn))
const count = (kind: string) => calls.filter((edge) => edge.kind === kind).length
show({
  heading: 'Who calls whom: last Sunday and today',
  text: `${count('appeared')} calls are new, ${count('vanished')} are gone, ${count('unchanged')} are as they were. New in the graph: ${list(appeared)}. Gone from it: ${list(vanished)}.`,
  svg: await changePicture({
    title: 'What changed since last week',
    description: `Calls at noon of ${today.toISOString().slice(0, 10)} against ${lastWeek.toISOString().slice(0, 10)}.`,
    edges: calls,
    appeared,
    vanished,
    nameOf,
  }),
})

// 2. What happened in between, also what was over before today. Two moments would not show it.
const changes = await topologyChanges(scope, { range: { from: lastWeek, to: today } }).execute()
show({
  heading: 'What happened, and when',
  table: {
    columns: ['at', 'what', 'from', 'relation', 'to', 'properties'],
    rows: changes.map(({ at, kind, src_urn, dst_urn, relation, props_before, props_after }) => [
      minute(at),
      kind,
      nameOf(src_urn),
      relation,
      nameOf(dst_urn),
      kind === 'changed' ? `${JSON.stringify(props_before)} -> ${JSON.stringify(props_after)}` : null,
    ]),
  },
})

// 3. One edge that came and went: its whole history.
const history = await edgeHistory(scope, { from: hidden.flapped.from, to: hidden.flapped.to, relation: 'calls' }).execute()
show({
  heading: `${nameOf(hidden.flapped.from)} and ${nameOf(hidden.flapped.to)}`,
  text: history.map(
    ({ valid_from, valid_to }) => `It called from ${minute(valid_from)} ${valid_to === null ? 'until now' : `to ${minute(valid_to)}`}.`,
  ),
})

// 4. What that means. A cycle of calls is how one slow service makes itself slower.
const callsNow = topologyAt(scope, { at: today, relation: 'calls' })
const callsThen = topologyAt(scope, { at: lastWeek, relation: 'calls' })
const [loopsThen, loopsNow] = [await cycles(scope, callsThen).execute(), await cycles(scope, callsNow).execute()]
show({
  heading: 'Calls that come back to where they began',
  text: [
    loopsThen.length === 0 ? 'A week ago there were none.' : `A week ago there were ${loopsThen.length}.`,
    ...loopsNow.map(({ cycle }) => `Now: ${[...cycle, cycle[0]!].map(nameOf).join(' -> ')}.`),
  ],
})

// 5. Where everything hangs by one thread: the machines. If one fails, the services on it and their callers are affected.
const placesNow = topologyAt(scope, { at: today, relation: 'runs_on' })
const machines = [...new Set((await placesNow.execute()).map(({ dst_urn }) => dst_urn))].toSorted()
const hit = []
for (const machine of machines) {
  const before = await impact(scope, topologyAt(scope, { at: lastWeek }), { resource: machine }).execute()
  const after = await impact(scope, topologyAt(scope, { at: today }), { resource: machine }).execute()
  const known = new Set(before.map(({ urn }) => urn))
  hit.push([nameOf(machine), before.length, after.length, list(after.map(({ urn }) => urn).filter((urn) => !known.has(urn)))])
}
show({
  heading: 'Who is hit if a machine fails',
  table: { columns: ['machine', 'hit a week ago', 'hit now', 'of them new'], rows: hit },
})
const graph = await toGraphology(callsNow, { scope, vertices: resourceNames(scope) })
const { articulationPoints } = singlePointsOfFailure(graph)
show({
  heading: 'Without whom the graph falls apart',
  table: {
    columns: ['resource', 'cuts off'],
    rows: articulationPoints.map(({ attributes, cut_off_vertices }) => [
      nameOf(attributes.urn),
      list(cut_off_vertices.map((vertex) => graph.getNodeAttributes(vertex).urn)),
    ]),
  },
})

const folder = process.argv[2] ?? 'changes'
await mkdir(folder, { recursive: true })
for (const [index, { svg }] of sections.filter(({ svg }) => svg !== undefined).entries())
  await writeFile(join(folder, `${index + 1}.svg`), svg!)
const page = join(folder, 'changes.html')
await writeFile(page, picturePage({ title: 'What changed since last week', lead: `${minute(lastWeek)} to ${minute(today)} UTC`, sections }))
console.log(`\nThe same with pictures: ${page}`)
await close()
