import type { Kysely } from 'kysely'
import { expectTypeOf } from 'vitest'
import { callsDuring, callSeries } from '../../src/calls/index.ts'
import { impact, reach } from '../../src/graph/index.ts'
import { rankBy, topK } from '../../src/ranking/index.ts'
import { anomalies } from '../../src/series/index.ts'
import { during } from '../support/rows.ts'
import { unitKysely, unitScope } from '../support/unitScope.ts'

const scope = unitScope()
const range = during('10:00', '11:00')

// Three deep, a frame still knows its row.
const worst = topK(scope, anomalies(scope, callSeries(scope, { measure: 'p95_ms', range })), 3)
expectTypeOf(worst.select(['series', 'score']).clearSelect().select(['item', 'score']).execute()).resolves.items.toEqualTypeOf<{
  item: string
  score: number
}>()
const hit = topK(scope, impact(scope, callsDuring(scope, { range }), { resource: 'urn:a' }), 3)
expectTypeOf(hit.execute()).resolves.items.toEqualTypeOf<{
  resource_id: string
  urn: string
  depth: number
  share: number
  weight: number
  item: string
  score: number
}>()

// In a query of the user's own it is a table like theirs, beside theirs.
const theirs: Kysely<{ teamRoster: { teamName: string; serviceUrn: string } }> = unitKysely()
const paged = theirs
  .selectFrom('teamRoster')
  .innerJoin(hit.as('hit'), 'hit.urn', 'teamRoster.serviceUrn')
  .select(['teamRoster.teamName', 'hit.depth', 'hit.score'])
expectTypeOf(paged.execute()).resolves.items.toEqualTypeOf<{ teamName: string; depth: number; score: number }>()
expectTypeOf(topK(scope, rankBy(scope, paged, { item: 'teamName', score: 'score' }), 1).execute()).resolves.items.toEqualTypeOf<{
  teamName: string
  depth: number
  item: string
  score: number
}>()

// @ts-expect-error not a column of an impact
theirs.selectFrom('teamRoster').innerJoin(hit.as('hit'), 'hit.src', 'teamRoster.serviceUrn')
// @ts-expect-error reach takes edges, and a ranking has none
reach(scope, hit, { from: 'urn:a' })
