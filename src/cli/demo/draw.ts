import type { Scope } from '../../database/scope.ts'
import { picturePage, seriesChart, suspectsPicture } from '../../picture/index.ts'
import { callsAgainstNormal } from '../callsAgainstNormal.ts'
import { nameOf, type Investigation } from './investigate.ts'

/** With fewer calls than this an edge is a stray: drawn, it would only be in the way. */
const strayCalls = 10

/**
 * The pictures of an investigation, by file name: the call graph, the latency, and a page with
 * both.
 */
export async function draw(scope: Scope, found: Investigation): Promise<Record<string, string>> {
  const { service, since, whole, range } = found
  const culprit = found.suspects.rows[0]?.urn
  const graph = await suspectsPicture({
    title: since === undefined ? 'Who calls whom' : `Who calls whom since ${clock(range.from)}`,
    description:
      culprit === undefined
        ? `${nameOf(service)} and everything behind it, all within the normal range.`
        : `${nameOf(service)} suffers; the trouble arises in ${nameOf(culprit)}. Latencies are held against those before ${clock(range.from)}.`,
    edges: await callsAgainstNormal(scope, found, strayCalls).execute(),
    suspects: found.suspects.rows,
    service: culprit === undefined ? undefined : service,
    nameOf,
  })
  const [departure] = found.departure.rows
  const latency = await seriesChart({
    title: `95th percentile of ${nameOf(service)}'s answers`,
    description:
      departure === undefined
        ? `${clock(whole.from)} to ${clock(whole.to)}: it never left its normal range.`
        : `At ${clock(departure.bucket)} it left its normal range, taken from the hour before.`,
    unit: 'ms',
    series: [
      {
        name: `p95 of ${nameOf(service)}`,
        points: found.points.rows.map(({ bucket, value }) => ({ bucket, value: value === null ? null : value * 1000 })),
      },
    ],
    band:
      departure === undefined
        ? undefined
        : {
            points: found.points.rows.map(({ bucket }) => ({
              bucket,
              lower: Math.max(0, departure.expected - 5 * departure.spread) * 1000,
              upper: (departure.expected + 5 * departure.spread) * 1000,
            })),
          },
    marks: departure === undefined ? [] : [{ at: departure.bucket, label: 'left its normal range', kind: 'critical' }],
  })
  const page = picturePage({
    title: culprit === undefined ? 'A calm time' : `${nameOf(service)} suffers, ${nameOf(culprit)} is behind it`,
    lead: `${whole.from.toISOString().slice(0, 16)}Z to ${whole.to.toISOString().slice(0, 16)}Z`,
    sections: [
      { heading: 'When', svg: latency, code: found.departure.call },
      { heading: 'Where', svg: graph, code: found.suspects.call },
    ],
  })
  return { 'call-graph.svg': graph, 'latency.svg': latency, 'incident.html': page }
}

const clock = (time: Date) => `${time.toISOString().slice(11, 16)}Z`
