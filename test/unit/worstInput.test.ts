import { Readable } from 'node:stream'
import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { databaseUrn, hostUrn, queueUrn, serviceUrn } from '../../src/catalog/urn.ts'
import { run } from '../../src/cli/run.ts'
import { last, milliseconds } from '../../src/database/range.ts'
import { eventId } from '../../src/events/eventId.ts'
import { evidenceInput } from '../../src/events/evidence.ts'
import { checkCypher } from '../../src/graph/cypher/checkCypher.ts'
import { cypher } from '../../src/graph/cypher/cypher.ts'
import { cypherText } from '../../src/graph/cypher/cypherText.ts'
import { decodeAgtype } from '../../src/graph/cypher/decodeAgtype.ts'
import { encodeAgtype } from '../../src/graph/cypher/encodeAgtype.ts'
import type { EdgeRow } from '../../src/graph/edgeFrame.ts'
import { isPlainFrame } from '../../src/graph/plainFrame.ts'
import { parseOtlpRequest } from '../../src/ingest/sources/otlpRequest.ts'
import { rollUp } from '../../src/ingest/rollUp.ts'
import { readTextLogs } from '../../src/ingest/sources/text/readTextLogs.ts'
import { severityOf } from '../../src/ingest/records/severityOf.ts'
import { terms } from '../../src/knowledge/terms.ts'
import { saidIn, withoutValues } from '../../src/logs/messageOf.ts'
import { patternOf } from '../../src/logs/pattern.ts'
import { patternSeries } from '../../src/logs/patternSeries.ts'
import { callDrawing } from '../../src/picture/callDrawing.ts'
import { graphDot } from '../../src/picture/graphDot.ts'
import { graphMermaid } from '../../src/picture/graphMermaid.ts'
import { VantageError } from '../../src/schema/errors.ts'
import { parse } from '../../src/schema/parse.ts'
import { severity } from '../../src/schema/severity.ts'
import { storableObject, urnText } from '../../src/schema/text.ts'
import { unitKysely, unitScope } from '../support/unitScope.ts'
import { log, logs, metrics, spans } from './ingest/telemetry.ts'

const scope = unitScope()
const source = { objectBucket: 'b', objectKey: 'k' }
const range = last('1 hour')

/** A request through everything that ingest does with it. */
async function ingested(payload: object) {
  const request = parseOtlpRequest(JSON.stringify(payload), source, 1)
  if ('reason' in request) return
  for await (const window of rollUp([request])) expect(window.from).toBeInstanceOf(Date)
}

/** A text log through everything that reads it; a header that is refused is an answer. */
async function textLog(text: string, header?: string) {
  try {
    for await (const { line } of readTextLogs(Readable.from([text]), { service: 's', year: 2025, header })) expect(line).toBeGreaterThan(0)
  } catch (error) {
    expect(error).toBeInstanceOf(VantageError)
  }
}

const spanOf = (text: string, more: object = {}) =>
  spans('s', [
    { id: 'a', kind: 'CLIENT', from: 0, to: 1, name: text, with: { 'db.system.name': text, 'db.namespace': text, 'server.address': text } },
    { id: 'b', kind: 'CLIENT', from: 0, to: 1, name: text, with: { 'url.full': `http://${text}` } },
    { id: 'c', kind: 'PRODUCER', from: 0, to: 1, name: text, with: { 'messaging.system': 'kafka', 'messaging.destination.name': text } },
    { id: 'd', kind: 'CLIENT', from: 0, to: 1, name: text, with: { 'peer.service': text, ...more } },
  ])

/** Everything that reads text from outside: what it makes of it is another test's question. */
const parsers: Record<string, (text: string) => unknown> = {
  hostUrn: (text) => hostUrn(text),
  'hostUrn in brackets': (text) => hostUrn(`[${text}]`, 80),
  serviceUrn: (text) => serviceUrn(text, text),
  queueUrn: (text) => queueUrn('kafka', text),
  databaseUrn: (text) => databaseUrn({ system: text, host: text, database: text }),
  'a resource, a metric and a log in telemetry': async (text) => {
    await ingested(logs(text, [log(0, text, 9, { [text]: text })], { 'host.name': text, 'service.namespace': text }))
    await ingested(metrics(text, [{ name: text, unit: text, gauge: { dataPoints: [{ timeUnixNano: text, asDouble: text }] } }]))
    await ingested(metrics('s', [{ name: 'm', sum: { dataPoints: [{ timeUnixNano: '1', asInt: text }], aggregationTemporality: text } }]))
  },
  'what a span calls': (text) => ingested(spanOf(text)),
  'the ids of a span': (text) =>
    ingested({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: text, spanId: text, parentSpanId: text, kind: text }] }] }] }),
  'a line that is no JSON': (text) => parseOtlpRequest(text, source, 1),
  severityOf: (text) => severityOf(null, text),
  severity: (text) => parse(severity, text, 'severity'),
  patternOf: (text) => patternOf(text),
  saidIn: (text) => saidIn(text),
  'saidIn a trace': (text) => saidIn(`E: x\n\tat a.b(c:1)\n${text}\nCaused by: ${text}`),
  'saidIn JSON that was cut off': (text) => saidIn(`{"msg": "${text}`),
  'saidIn the JSON of a message': (text) => saidIn(JSON.stringify({ msg: text, [text]: text })),
  'saidIn logfmt': (text) => saidIn(`a=1 msg="${text}`),
  'saidIn syslog': (text) => saidIn(`<34>1 2003-10-11T22:14:15Z h a - - [${text}`),
  withoutValues: (text) => withoutValues(text),
  'a line of a text log': (text) => textLog(`2025-03-09 14:05:01 INFO a\n${text}`),
  'a text log that begins with it': (text) => textLog(text),
  'the message of a text log': (text) => textLog(`2025-03-09 14:05:01 INFO [a] x.y.Z - ${text}\n<34>Mar  9 14:05:01 ${text}`),
  'a text log with a header': (text) => textLog(text, '<_>[<_>] <_> - <_>: <time> <level> [<_>] - <message>'),
  'a template of a header': (text) => textLog('a', text),
  'a template that repeats it': (text) => textLog(text, `<_>${text.slice(0, 900)}<time><message>`),
  'a pattern of times': (text) => textLog('a', `<time:${text.slice(0, 190)}><message>`),
  terms: (text) => terms(text),
  'a pattern over several lines': (text) => patternOf(`${text.slice(0, 1_000)}\n ${text}`),
  milliseconds: (text) => milliseconds(text),
  'a number of seconds': (text) => milliseconds(`${text} seconds`),
  checkCypher: (text) => checkCypher(text, { write: false }),
  'checkCypher after a match': (text) => checkCypher(`MATCH (a) RETURN ${text}`, { write: false }),
  'checkCypher in a string': (text) => checkCypher(`RETURN '${text}`, { write: false }),
  'checkCypher in a name': (text) => checkCypher(`RETURN \`${text}`, { write: false }),
  'checkCypher in a comment': (text) => checkCypher(`RETURN 1 /*${text}`, { write: false }),
  'the columns of cypher': (text) => cypher(scope, { columns: { [text]: 'text' } }, 'RETURN 1'),
  cypherText: (text) => cypherText`MATCH (a:${text})`,
  'what precedes a label': (text) => cypherText(Object.assign([text, ''], { raw: [text, ''] }), 'CALLS'),
  'what precedes a number of hops': (text) => cypherText(Object.assign([text, ''], { raw: [text, ''] }), 3),
  decodeAgtype: (text) => decodeAgtype(text),
  'decodeAgtype of a string': (text) => decodeAgtype(`"${text}`),
  'decodeAgtype of a list': (text) => decodeAgtype(`[${text}`),
  'decodeAgtype of a map': (text) => decodeAgtype(`{"a": ${text}`),
  encodeAgtype: (text) => encodeAgtype({ [text]: text }),
  isPlainFrame: (text) =>
    isPlainFrame(
      unitKysely()
        .selectFrom(sql<EdgeRow>`${sql.raw(text)}`.as('e'))
        .selectAll(),
    ),
  'a column of isPlainFrame': (text) =>
    isPlainFrame(
      unitKysely<{ e: EdgeRow }>()
        .selectFrom('e')
        .select([sql<string>`${sql.raw(text)}`.as('src'), 'dst', 'weight']),
    ),
  eventId: (text) => parse(eventId, text, 'event'),
  evidence: (text) =>
    parse(
      evidenceInput,
      { dim: 'metric', refPg: { table: 'metric_1m', keys: { metric: 'm', bucket: text, resource_id: text } } },
      'evidence',
    ),
  'evidence of a hash': (text) =>
    parse(evidenceInput, { dim: 'metric', refPg: { table: 'metric_1m', keys: { series_id: text } } }, 'evidence'),
  'evidence of a range': (text) =>
    parse(evidenceInput, { dim: 'topo', refPg: { table: 'topo_edge_time', keys: { valid: `[${text},)` } } }, 'evidence'),
  locator: (text) => parse(evidenceInput, { dim: 'log', refOo: text }, 'evidence'),
  fingerprintId: (text) => patternSeries(scope, { measure: 'count_total', range, fingerprintId: text }),
  urnText: (text) => parse(urnText, text, 'urn'),
  storableObject: (text) => parse(storableObject, { [text]: { [text]: NaN } }, 'labels'),
  'a picture of names': (text) => {
    const edges = [{ src_urn: text, dst_urn: `${text}.`, rps: 1 }]
    callDrawing({ title: text, edges })
    graphMermaid({ title: text, edges })
    graphDot({ title: text, edges })
  },
  'the command line': async (text) => {
    const surroundings = { env: {}, out: () => {}, err: () => {}, interactive: false }
    const given = [
      ['graph', '-s', 'a', '--at', text],
      ['graph', '-s', 'a', '--hops', text],
      ['graph', '-s', 'a', '--at', `2026-01-01T00:00:00Z${text}`],
      ['migrate', 'up', '--embedding-dimension', text],
      ['ingest', 'f', '-t', 'a', '--shift-ms', text],
      ['doctor', '--database', text],
      [text],
    ]
    for (const args of given) expect(await run(args, surroundings)).not.toBe(0)
  },
}

/**
 * What patterns over text have stumbled over: runs of what a part of them takes, with an end that
 * the whole does not.
 */
// prettier-ignore
const atoms = [
  'a', 'z.', 'a-', 'a_', '_', '0', '1.', '1 ', '1e', '1:', ':', '::', 'f:', '.', '..', '-', '+', ' ', '\n', '\n ',
  '\t\n ', '\r', '\u2028', '"', "'", "''", '`', '``', '\\', '\\"', '""', '$', '$_', '$$', '@', 'a@', 'a=', '=', '/',
  '/*', '/* ', '//', '*/', '<', '<*>, ', '>', '{', '[', '(', '[[', '{"a":', '[1,', '1,', ',', 'é', '支', '🦊', '\0',
  '\ud800', '%', '%2', 'Jan 1, ', 'Mon ', 'at ', '12:34.', '0000-', '1 day ', '1second', 'a(', 'a.a(',
]
const ends = ['z', '!']

const worst = (length: number) =>
  atoms.flatMap((atom) => ends.map((end) => atom.repeat(Math.ceil(length / atom.length)).slice(0, length - 1) + end))

/**
 * Linear work on 100 kB takes milliseconds; what grows with the square takes minutes, and with the
 * cube hours. So much is between them, whatever else the machine does.
 */
const seconds = 5

describe('the worst of texts takes no time', () => {
  it.each(Object.keys(parsers))('in %s', { timeout: 300_000 }, async (name) => {
    // First shorter ones: what is cubic is found there, and is not waited for.
    for (const length of [1_000, 100_000]) {
      for (const text of worst(length)) {
        const begin = performance.now()
        try {
          await parsers[name]!(text)
        } catch (error) {
          if (!(error instanceof VantageError)) throw error
        }
        const took = (performance.now() - begin) / 1_000
        expect(
          took,
          `seconds for ${length} characters of ${JSON.stringify(text.slice(0, 8))}...${JSON.stringify(text.slice(-1))}`,
        ).toBeLessThan(seconds)
      }
    }
  })
})
