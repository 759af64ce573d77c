import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/index.ts'
import { databaseUrn, queueUrn, serviceUrn } from '../../../src/catalog/index.ts'
import { ingest, type IngestReport } from '../../../src/ingest/index.ts'
import { doctor } from '../../../src/operate/index.ts'
import { InvalidInputError } from '../../../src/schema/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { gauge, log, logs, metrics, point, spans } from '../../unit/ingest/telemetry.ts'
import { fits, nasty, noText, storable } from './nasty.ts'

const texts = nasty.filter((text) => text !== '')
/** As PostgreSQL can store it. */
const stored = (text: string) => text.toWellFormed().replaceAll('\0', '\uFFFD')

/** A text in every place of a trace, a metric and a log that holds text. */
const payloads = texts.flatMap((text, index) => {
  const seconds = index / 10
  const everywhere = { [text]: text, 'deployment.environment.name': text, 'cloud.region': text, 'service.namespace': text }
  return [
    metrics(text, [gauge(text, [point(seconds, 1, undefined, { [text]: text })], text)], everywhere),
    metrics('fine', [gauge(text, [point(seconds, 1, undefined, { [text]: text })], text)]),
    logs(text, [log(seconds, text, 9, { [text]: text })], everywhere),
    logs('fine', [log(seconds, text, 9, { [text]: text })]),
    spans(text, [{ id: `s${index}`, kind: 'SERVER', from: seconds, to: seconds + 1, name: text }], everywhere),
    spans('fine', [
      {
        id: `d${index}`,
        kind: 'CLIENT',
        from: seconds,
        to: seconds + 1,
        name: text,
        with: { 'db.system.name': text, 'db.namespace': text, 'db.query.text': text },
      },
      {
        id: `q${index}`,
        kind: 'PRODUCER',
        from: seconds,
        to: seconds + 1,
        with: { 'messaging.system': 'kafka', 'messaging.destination.name': text },
      },
      { id: `p${index}`, kind: 'CLIENT', from: seconds, to: seconds + 1, with: { 'peer.service': text } },
      { id: `h${index}`, kind: 'CLIENT', from: seconds, to: seconds + 1, with: { 'server.address': text } },
      { id: `u${index}`, kind: 'CLIENT', from: seconds, to: seconds + 1, with: { 'url.full': text } },
    ]),
  ]
})

async function* lines() {
  for (const payload of payloads) yield `${JSON.stringify(payload)}\n`
}

onEveryLeg('hostile telemetry', () => {
  let test: TestDatabase
  let scope: Scope
  let report: IngestReport
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    report = await ingest(scope, lines(), { origin: { objectBucket: `'"$$\\🦊`, objectKey: `'; drop table oo_locator; --` } })
  })
  afterAll(() => test.close())
  const column = async (query: ReturnType<typeof sql>) => (await query.execute(scope.db)).rows.map((row) => Object.values(row as object)[0])

  it('loads, and the tables still stand', async () => {
    expect(report).toMatchObject({ malformed: 0, windows: 1, requests: payloads.length })
    expect((await doctor(test.db)).drift).toEqual([])
    const total = Object.values(report.refused).reduce((sum, records) => sum + records, 0)
    expect(total).toBeGreaterThan(0)
    expect(Object.keys(report.refused).sort()).toEqual(['metric name is longer than 255 bytes', 'urn is too long'])
  })

  it('keeps the names of services, databases and queues', async () => {
    const names = new Set(await column(sql`select name from ${scope.id('dim_resource')} where tenant_id = ${scope.tenantId}`))
    const urns = new Set(await column(sql`select urn from ${scope.id('dim_resource')} where tenant_id = ${scope.tenantId}`))
    for (const text of texts) {
      for (const urn of [
        () => serviceUrn(text, text),
        () => serviceUrn(text, 'shop'),
        () => queueUrn('kafka', text),
        () => databaseUrn({ system: text, database: text }),
      ]) {
        let name: string
        try {
          name = urn()
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInputError)
          continue
        }
        expect(urns).toContain(name)
        expect(names).toContain(stored(text))
      }
    }
  })

  it('keeps the names of metrics with their units and labels', async () => {
    const rows = await sql<{ metric: string; unit: string; labels: Record<string, unknown> }>`
      select metric.metric, metric.unit, metric.labels from ${scope.id('metric_1m')} as metric
      join ${scope.id('dim_resource')} as resource using (tenant_id, resource_id)
      where metric.tenant_id = ${scope.tenantId} and resource.name = 'fine'
    `.execute(scope.db)
    const expected = texts.map(stored).filter(fits(255))
    expect(rows.rows.map(({ metric }) => metric).sort()).toEqual(expected.sort())
    for (const { metric, unit, labels } of rows.rows) expect([unit, Object.entries(labels)]).toEqual([metric, [[metric, metric]]])
  })

  it('keeps log messages as they came, to their first 2,048 characters', async () => {
    const messages = await column(sql`select sample_message from ${scope.id('log_pattern')} where tenant_id = ${scope.tenantId}`)
    const sent = new Set(texts.map((text) => stored(text.slice(0, 2048))))
    expect(messages.filter((message) => !sent.has(String(message)))).toEqual([])
    const [names] = await column(sql`
      select coalesce(jsonb_object_agg(key, value), '{}') from ${scope.id('log_pattern')}, jsonb_each_text(attrs_schema)
      where tenant_id = ${scope.tenantId} and key <> ''
    `)
    for (const text of texts) expect(Object.entries(names as object)).toContainEqual([stored(text), 'string'])
  })

  it('says where it lies, in names that can be stored', async () => {
    expect(new Set(await column(sql`select object_key from ${scope.id('oo_locator')} where tenant_id = ${scope.tenantId}`))).toEqual(
      new Set([`'; drop table oo_locator; --`]),
    )
    for (const text of nasty.filter((text) => !storable(text))) {
      await expect(ingest(scope, lines(), { origin: { objectBucket: text, objectKey: 'k' } })).rejects.toThrow(/^origin\.objectBucket: /)
    }
    await noText('horizon', (horizon) => ingest(scope, lines(), { horizon }))
  })
})
