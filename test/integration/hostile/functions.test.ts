import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  activeCalls,
  callFan,
  callsDuring,
  callSeries,
  callSummary,
  refreshCallGraph,
  slowestDependencies,
} from '../../../src/calls/index.ts'
import { deleteTenant, ensureResource, ensureResources, ensureTenant, resourceIds } from '../../../src/catalog/index.ts'
import { last, schemaVersion, tenantScope, type Scope } from '../../../src/database/index.ts'
import { attachEvidence, evidenceChain, recordEvent } from '../../../src/events/index.ts'
import { impact, mirrorGraph, reach } from '../../../src/graph/index.ts'
import { callOddities, rankSuspects } from '../../../src/incident/index.ts'
import { rollUp } from '../../../src/ingest/index.ts'
import { addDocuments, rerankKnowledge, retrievalQuality, searchKnowledge, type GoldenDocument } from '../../../src/knowledge/index.ts'
import { newPatterns, patternDiversity, patternSeries } from '../../../src/logs/index.ts'
import { labelCardinality, metricSeries } from '../../../src/metrics/index.ts'
import { doctor, migrateDown, migratePlan, migrateStatus, migrateUp } from '../../../src/operate/index.ts'
import { rankBy, topK } from '../../../src/ranking/index.ts'
import { SchemaVersionError } from '../../../src/schema/index.ts'
import {
  aggregateAcross,
  anomalies,
  burnRate,
  combine,
  ewma,
  firstDeparture,
  forecast,
  gapfill,
  join,
  movingAverage,
  resample,
  seasonalBaseline,
  shift,
  timeToThreshold,
} from '../../../src/series/index.ts'
import { distinctCount } from '../../../src/sketch/index.ts'
import { topologyAt } from '../../../src/topology/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { objects } from '../../support/objects.ts'
import { frameOf } from '../../support/points.ts'
import { at, during, insertCalls, insertMetrics, insertPatternCounts, insertPatterns, services } from '../../support/rows.ts'
import { seriesReads } from '../../support/seriesReads.ts'
import { everyText, fits, fitting, nasty, noText, storable } from './nasty.ts'

const range = during('10:00', '11:00')
const bucket = at('10:05')
const embedding = (seed: number) => Array.from({ length: 1536 }, (_, index) => Math.sin(seed * (index + 1)))

apartFromTime('hostile text', () => {
  let test: TestDatabase
  let scope: Scope
  let before: string[]
  beforeAll(async () => {
    test = await cleanDatabase()
    before = await objects(test.db)
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  it('as the code, the name and the labels of a tenant', async () => {
    const stored = async (code: string) => {
      const { rows } = await sql<{ code: string; name: string; labels: Record<string, unknown> }>`
        select code, name, labels from ${scope.id('dim_tenant')} where code = ${code}
      `.execute(test.db)
      return rows[0]!
    }
    await everyText({ field: 'code', taken: fits(255) }, async (code) => {
      await ensureTenant(test.db, { code })
      expect((await tenantScope(test.db, code)).tenantCode).toBe(code)
      return (await stored(code)).code
    })
    await everyText({ field: 'name', taken: fits(1024) }, async (name) => {
      await ensureTenant(test.db, { code: 'named', name })
      return (await stored('named')).name
    })
    await everyText({ field: 'labels', taken: storable }, async (text) => {
      await ensureTenant(test.db, { code: 'labelled', labels: Object.fromEntries([[text, [text, { [`.${text}`]: text }]]]) })
      const { labels } = await stored('labelled')
      expect(Object.entries(labels)).toEqual([[text, [text, { [`.${text}`]: text }]]])
      return Object.keys(labels)[0]
    })
    for (const use of [(code: string) => tenantScope(test.db, code), (code: string) => deleteTenant(test.db, code)]) {
      await everyText({ field: 'code', taken: fits(255) }, async (code) => {
        await use(code)
        return code
      })
    }
  })

  it('as the schema that is looked in', async () => {
    const look = [
      (schema: string) => ensureTenant(test.db, { code: 't-001' }, { schema }),
      (schema: string) => tenantScope(test.db, 't-001', { schema }),
      (schema: string) => deleteTenant(test.db, 't-001', { schema }),
      (schema: string) => migrateDown(test.db, { schema }),
    ]
    for (const use of look) {
      await everyText({ field: 'schema', taken: fits(63) }, async (schema) => {
        const outcome: unknown = await use(schema).catch((error: unknown) => error)
        if (!(outcome instanceof SchemaVersionError)) throw outcome
        return schema
      })
    }
    await everyText({ field: 'schema', taken: fits(63) }, async (schema) => {
      expect(await migrateStatus(test.db, { schema })).toMatchObject({ installed: false })
      return schema
    })
    expect((await tenantScope(test.db, 't-001', { schema: 'public' })).tenantId).toBe(scope.tenantId)
    // Some would do as a prefix, but none is the one this database was installed with.
    await noText(/^graphPrefix$/, (graphPrefix) => migrateUp(test.db, { graphPrefix }))
    await noText(/^graphPrefix$/, (graphPrefix) => migratePlan(test.db, { graphPrefix }))
    expect(await migrateStatus(test.db)).toMatchObject({ installed: true, version: schemaVersion })
  })

  it('as the fields of a resource', async () => {
    const read = async (urn: string) => {
      const { rows } = await sql<Record<string, unknown>>`
        select urn, type, name, env, region, zone, labels from ${scope.id('dim_resource')}
        where tenant_id = ${scope.tenantId} and resource_id = ${(await resourceIds(scope, [urn])).get(urn)!}
      `.execute(scope.db)
      return rows[0]!
    }
    await everyText({ field: 'urn', taken: fits(1024) }, async (urn) => {
      const id = await ensureResource(scope, { urn, type: 'service', name: 'n' })
      expect((await resourceIds(scope, [urn])).get(urn)).toBe(id)
      return (await read(urn)).urn
    })
    await everyText({ field: 'urns[0]', taken: fits(1024) }, async (urn) => {
      expect((await resourceIds(scope, [urn])).size).toBe(1)
      return urn
    })
    for (const field of ['type', 'name', 'env', 'region', 'zone'] as const) {
      await everyText({ field: `resources[0].${field}`, taken: fits(field === 'name' ? 1024 : 255) }, async (text) => {
        await ensureResources(scope, [{ urn: 'urn:fields', type: 'service', name: 'n', [field]: text }])
        return (await read('urn:fields'))[field]
      })
    }
    await everyText({ field: 'resources[0].labels', taken: storable }, async (text) => {
      await ensureResources(scope, [{ urn: 'urn:labels', type: 'service', name: 'n', labels: Object.fromEntries([[text, text]]) }])
      return Object.entries((await read('urn:labels')).labels as object).find(([key, value]) => key === value)?.[0]
    })
    // All of them at once are as many resources.
    const urns = fitting(1024).map((text) => text)
    expect([...(await resourceIds(scope, urns)).keys()].sort()).toEqual([...urns].sort())
  })

  it('as what an event says and is about', async () => {
    await services(scope, fitting(1024))
    const event = { severity: 'ERROR', kind: 'anomaly', title: 'title' } as const
    const chain = async (id: string) => (await evidenceChain(scope, { eventId: id }).execute())[0]!
    const limits = { kind: 255, title: 1024 }
    for (const field of ['kind', 'title'] as const) {
      await everyText({ field, taken: fits(limits[field]) }, async (text) =>
        Reflect.get(await chain(await recordEvent(scope, { ...event, [field]: text })), field),
      )
    }
    await everyText(
      { field: 'summary', taken: storable },
      async (summary) => (await chain(await recordEvent(scope, { ...event, summary }))).summary,
    )
    await everyText(
      { field: 'resource', taken: fits(1024) },
      async (resource) => (await chain(await recordEvent(scope, { ...event, resource }))).urn,
    )
    for (const field of ['labels', 'fingerprints'] as const) {
      await everyText({ field, taken: storable }, async (text) => {
        const id = await recordEvent(scope, { ...event, [field]: Object.fromEntries([[text, text]]) })
        const { rows } = await sql<{ key: string }>`
          select (select key from jsonb_each_text(${sql.ref(field)}) where key = value) as key from ${scope.id('event_envelope')} where event_id = ${id}
        `.execute(scope.db)
        return rows[0]!.key
      })
    }
    await noText('eventId', (eventId) => recordEvent(scope, { ...event, eventId }))
    await noText('severity', (severity) => recordEvent(scope, { ...event, severity: severity as 'INFO' }))
    await noText('eventId', (text) => evidenceChain(scope, { eventId: text }))
  })

  it('as evidence', async () => {
    const event = await recordEvent(scope, { severity: 'INFO', kind: 'k', title: 't' })
    const link = async (evidence: Parameters<typeof attachEvidence>[1]['evidence'][number]) => {
      const id = await recordEvent(scope, { severity: 'INFO', kind: 'k', title: 't' })
      await attachEvidence(scope, { eventId: id, evidence: [evidence] })
      return (await evidenceChain(scope, { eventId: id }).execute())[0]!
    }
    const refPg = { table: 'kb_doc', keys: { doc_id: '1' } } as const
    const shortEnough = (text: string) => storable(text) && Buffer.byteLength(text) <= 10_000
    await everyText({ field: 'evidence[0].note', taken: shortEnough }, async (note) => (await link({ dim: 'kb', refPg, note })).note)
    await everyText({ field: 'evidence[0].refPg.keys', taken: fits(1024) }, async (metric) => {
      const { ref_pg } = await link({ dim: 'metric', refPg: { table: 'metric_1m', keys: { metric } } })
      expect(ref_pg).toEqual({ table: 'metric_1m', keys: { metric } })
      return metric
    })
    await noText('evidence[0].refPg', (key) => link({ dim: 'kb', refPg: { table: 'kb_doc', keys: Object.fromEntries([[key, '1']]) } }))
    await noText('evidence[0].refPg', (table) => link({ dim: 'kb', refPg: { ...refPg, table: table as 'kb_doc' } }))
    await noText('evidence[0].refOo', (refOo) => link({ dim: 'log', refOo }))
    await noText('evidence[0].dim', (dim) => link({ dim: dim as 'kb', refPg }))
    await noText('eventId', (text) => attachEvidence(scope, { eventId: text, evidence: [] }))
    expect(await attachEvidence(scope, { eventId: event, evidence: [] })).toBe(0)
  })

  it('as documents, and as what is searched for', async () => {
    const document = { source: 'wiki', title: 'title', chunks: [{ content: 'c', embedding: embedding(1) }] }
    const idOf = async (...given: Parameters<typeof addDocuments>) => (await addDocuments(...given)).documents[0]!.doc_id!
    const search = async (where: Parameters<typeof searchKnowledge>[1]['where'], item?: string) => {
      const found = await searchKnowledge(scope, { embedding: embedding(1), where, limit: 1000 }).execute()
      return item === undefined ? found[0] : found.find(({ doc_id }) => doc_id === item)
    }
    await everyText({ field: /^(documents\[0\]|where)\.source$/, taken: fits(255) }, async (source) => {
      const id = await idOf(scope, [{ ...document, source }])
      const found = await searchKnowledge(scope, { embedding: embedding(1), where: { source } }).execute()
      expect(found.map(({ doc_id }) => doc_id)).toEqual(source === 'wiki' ? expect.anything() : [id])
      return found[0]!.source
    })
    await everyText({ field: 'documents[0].title', taken: fits(1024) }, async (title) => {
      const id = await idOf(scope, [{ ...document, title, url: `u${title.slice(0, 20)}` }])
      return (await search({}, id))!.title
    })
    await everyText({ field: 'documents[0].url', taken: fits(2048) }, async (url) => {
      const id = await idOf(scope, [{ ...document, url }])
      return (await search({}, id))!.url
    })
    await everyText({ field: 'documents[0].chunks[0].content', taken: fits() }, async (content) => {
      const id = await idOf(scope, [{ ...document, title: 'content', chunks: [{ ...document.chunks[0]!, content }] }])
      return (await search({}, id))!.content
    })
    await everyText({ field: /^(documents\[0\]\.resources\[0\]|where\.resource)$/, taken: fits(1024) }, async (urn) => {
      const id = await idOf(scope, [{ ...document, title: 'resource', resources: [urn] }])
      return (await search({ resource: urn }, id)) && urn
    })
    for (const refused of nasty.filter((text) => !fits(1024)(text))) {
      await expect(async () => searchKnowledge(scope, { embedding: embedding(1), where: { resource: refused } })).rejects.toThrow(
        'where.resource',
      )
      await expect(async () => searchKnowledge(scope, { embedding: embedding(1), where: { source: refused } })).rejects.toThrow(
        'where.source',
      )
    }
    await everyText({ field: /^(documents\[0\]|where)\.metadata/, taken: storable }, async (text) => {
      const metadata = Object.fromEntries([[text, text]])
      const id = await idOf(scope, [{ ...document, title: 'metadata', metadata }])
      const found = await search({ metadata }, id)
      expect(found).toBeDefined()
      expect(await search({ metadata: Object.fromEntries([[text, `${text}!`]]) })).toBeUndefined()
      return Object.entries(found!.metadata as object).find(([key, value]) => key === value)?.[0]
    })
  })

  it('as questions, and as documents that answer them', async () => {
    const document = { source: 'answers', title: 'title', chunks: [{ content: 'c', embedding: embedding(2) }] }
    const isFound = async (relevant: GoldenDocument) => {
      const golden = [{ question: 'c', embedding: embedding(2), relevant: [relevant] }]
      const { missing, vector } = await retrievalQuality(scope, { golden, legs: ['vector'], limit: 1000 })
      return missing.length === 0 && vector!.recall.mean === 1
    }
    await everyText({ field: 'golden[0].relevant[0].url', taken: fits(2048) }, async (url) => {
      expect(await isFound({ source: 'answers', url })).toBe(false)
      await addDocuments(scope, [{ ...document, url }])
      return (await isFound({ source: 'answers', url })) && url
    })
    await everyText({ field: 'golden[0].relevant[0].title', taken: fits(1024) }, async (title) => {
      expect(await isFound({ source: 'answers', title })).toBe(false)
      await addDocuments(scope, [{ ...document, title }])
      return (await isFound({ source: 'answers', title })) && title
    })
    await everyText({ field: 'golden[0].relevant[0].source', taken: fits(255) }, async (source) => {
      await addDocuments(scope, fits(255)(source) ? [{ ...document, source }] : [])
      return (await isFound({ source, title: 'title' })) && source
    })
    const relevant = [{ source: 'answers', title: 'title' }]
    await everyText({ field: 'golden[0].question', taken: (text) => storable(text) && text.trim() !== '' }, async (question) => {
      const asked: string[] = []
      const rerank = async (given: string, texts: string[]) => {
        asked.push(given)
        return texts.map(() => 0)
      }
      const { questions } = await retrievalQuality(scope, { golden: [{ question, relevant }] })
      await rerankKnowledge(scope, { text: question, embedding: embedding(2), rerank })
      expect(asked).toEqual([question])
      return questions[0]!.question
    })
  })

  it('as the names of metrics, their labels and their resources', async () => {
    const texts = fitting(255)
    await insertMetrics(
      scope,
      texts.map((text) => ({ bucket, resource: `urn:${text}`, metric: text, labels: Object.fromEntries([[text, text]]), samples: [1] })),
    )
    const series = (options: Partial<Parameters<typeof metricSeries>[1]>) =>
      metricSeries(scope, { metric: 'm', measure: 'avg', range, ...options })
    await everyText({ field: 'metric', taken: fits(255) }, async (metric) => {
      const points = await series({ metric, by: 'resource' }).execute()
      expect(points).toEqual([{ series: `urn:${metric}`, bucket, value: 1, resource_id: expect.any(String) }])
      return points[0]!.series.slice('urn:'.length)
    })
    await everyText({ field: 'resource', taken: fits(1024) }, async (resource) => {
      expect(await series({ resource }).execute()).toEqual([])
      return resource
    })
    await everyText({ field: 'labels', taken: storable }, async (text) => {
      const labels = Object.fromEntries([[text, text]])
      for (const metric of ["it's", text].filter(fits(255))) {
        expect(await series({ metric, labels }).execute()).toHaveLength(metric === text ? 1 : 0)
      }
      return text
    })
    await everyText({ field: 'metric', taken: fits(255) }, async (metric) => {
      const rows = await labelCardinality(scope, { metric, range }).execute()
      expect(rows).toMatchObject([{ metric, label: metric, value_count: 1, top_urn: `urn:${metric}` }])
      return rows[0]!.label
    })
    await everyText({ field: 'resource', taken: fits(1024) }, async (resource) => {
      expect(await labelCardinality(scope, { resource, range }).execute()).toEqual([])
      return resource
    })
    await noText('measure', (measure) => series({ measure: measure as 'avg' }))
    await noText('by', (by) => series({ by: by as 'series' }))
  })

  it('as the services that call each other, through every read and the graph', async () => {
    const own = await tenant(test.db, `'; drop graph "$$`)
    const urns = fitting(1024)
    await insertCalls(
      own,
      urns.map((urn, index) => ({
        bucket,
        src: urn,
        dst: urns[(index + 1) % urns.length]!,
        latencies: Array.from({ length: 20 }, () => index + 1),
      })),
    )
    const next = (urn: string) => urns[(urns.indexOf(urn) + 1) % urns.length]!
    const back = (urn: string | null | undefined) => (urn == null ? urn : urns[(urns.indexOf(urn) + urns.length - 1) % urns.length])
    const edges = callsDuring(own, { range })
    expect(await edges.execute()).toHaveLength(urns.length)
    const taken = fits(1024)
    const one = async <T>(query: { execute(): Promise<T[]> }) => {
      const rows = await query.execute()
      expect(rows).toHaveLength(1)
      return rows[0]!
    }
    await everyText({ field: 'from', taken }, async (from) => {
      const { series } = await one(callSeries(own, { from, to: taken(from) ? next(from) : 'x', measure: 'p95_ms', range }))
      expect(series).toBe(`${from} -> ${next(from)}`)
      return (await one(callSeries(own, { from, measure: 'rps', by: 'caller', range }))).series
    })
    await everyText({ field: 'to', taken }, async (to) => (await one(callSeries(own, { to, measure: 'rps', range }))).series)
    await everyText({ field: 'from', taken }, async (from) => (await one(callSummary(own, { from, range }))).src_urn)
    await everyText({ field: 'to', taken }, async (to) => (await one(callSummary(own, { to, range }))).dst_urn)
    await everyText({ field: 'service', taken }, async (service) => back((await one(slowestDependencies(own, { service, range }))).dst_urn))
    await everyText({ field: 'from', taken }, async (from) => {
      const [reached] = await reach(own, edges, { from, hops: 1 }).execute()
      expect(reached).toMatchObject({ urn: next(from), via_urn: from })
      expect(await reach(own, edges, { from: [from], hops: 2 }).execute()).toHaveLength(2)
      return back(reached!.urn)
    })
    await everyText({ field: 'resource', taken }, async (resource) => next((await one(impact(own, edges, { resource, hops: 1 }))).item))
    const windows = { range, baseline: during('08:00', '09:00') }
    await everyText({ field: 'service', taken }, async (service) => {
      expect(await rankSuspects(own, { ...windows, service }).execute()).toEqual([])
      return service
    })
    await noText('measure', (measure) => callSeries(own, { measure: measure as 'rps', range }))
    await noText('by', (by) => callSeries(own, { measure: 'rps', by: by as 'call', range }))
    await noText('by', (by) => callFan(own, { by: by as 'caller', range }))
    await noText('by', (by) => callSummary(own, { by: by as 'call', range }))
    await noText('direction', (direction) => reach(own, edges, { from: 'a', direction: direction as 'in' }))
    await noText('thresholds', (text) => callOddities(own, { ...windows, thresholds: Object.fromEntries([[text, 1]]) }))

    if (!leg.age) return
    expect(await refreshCallGraph(own, { now: at('10:10') })).toMatchObject({
      vertices: { added: urns.length },
      edges: { added: urns.length },
    })
    expect(await refreshCallGraph(own, { now: at('10:10') })).toMatchObject({ vertices: { changed: 0 }, edges: { changed: 0 } })
    const mirrored = activeCalls(own)
    expect(await mirrored.execute()).toHaveLength(urns.length)
    for (const urn of urns) expect(await reach(own, mirrored, { from: urn, hops: 1 }).execute()).toMatchObject([{ urn: next(urn) }])
    const { rows } = await sql<{ urn: string }>`
      select ag_catalog.agtype_object_field_text(properties, 'urn') as urn from ${sql.id(own.graphName, 'Resource')}
    `.execute(own.db)
    expect(rows.map(({ urn }) => urn).sort()).toEqual([...urns].sort())
    // With a blank before it none is a label.
    await noText('label', (label) => mirrorGraph(own, mirrored, { attributes: [], label: ` ${label}` }))
  })

  it('as log messages and the relation of a topology', async () => {
    const texts = nasty.filter((text) => storable(text) && text !== '')
    const ids = await insertPatterns(
      scope,
      texts.map((pattern) => ({ pattern, sample_message: pattern, severity: 'ERROR', first_seen: bucket, last_seen: bucket })),
    )
    await insertPatternCounts(
      scope,
      ids.map((fingerprint_id, index) => ({ bucket, resource: `urn:${index}`, fingerprint_id, count_total: 1 })),
    )
    const patterns = await newPatterns(scope, { range }).execute()
    expect(patterns.map(({ pattern }) => pattern).sort()).toEqual([...texts].sort())
    expect(patterns.map(({ sample_message }) => sample_message).sort()).toEqual([...texts].sort())
    const series = await patternSeries(scope, { measure: 'count_total', range }).execute()
    expect(series.map((point) => point.series).sort()).toEqual([...texts].sort())
    for (const read of [
      (resource: string) => newPatterns(scope, { range, resource }),
      (resource: string) => patternDiversity(scope, { range, resource }),
      (resource: string) => patternSeries(scope, { range, resource, measure: 'count_total' }),
    ]) {
      await everyText({ field: 'resource', taken: fits(1024) }, async (resource) => {
        expect(await read(resource).execute()).toEqual([])
        return resource
      })
    }
    await noText('fingerprintId', (fingerprintId) => patternSeries(scope, { measure: 'count_total', range, fingerprintId }))
    await noText('severity', (severity) => patternSeries(scope, { measure: 'count_total', range, severity: severity as 'INFO' }))
    await noText('measure', (measure) => patternSeries(scope, { range, measure: measure as 'count_total' }))

    const relations = fitting(255)
    const resources = await services(scope, ['urn:a', 'urn:b'])
    await sql`
      insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid, props)
      select ${scope.tenantId}::int8, ${resources.get('urn:a')!}::int8, ${resources.get('urn:b')!}::int8, relation, tstzrange(${bucket}, null), '{}'
      from jsonb_array_elements_text(${JSON.stringify(relations)}::jsonb) as relation
    `.execute(scope.db)
    await everyText({ field: 'relation', taken: fits(255) }, async (relation) => {
      const edges = await topologyAt(scope, { at: at('10:10'), relation }).execute()
      expect(edges).toHaveLength(1)
      return edges[0]!.relation
    })
  })

  it('as the names of series, their labels and their groups', async () => {
    const before = during('09:00', '10:00')
    const names = nasty.filter(storable)
    const frame = frameOf(
      scope,
      names.flatMap((series) =>
        Array.from({ length: 24 }, (_, index) => ({
          series,
          bucket: new Date(before.from.getTime() + index * 300_000),
          value: index < 18 ? 10 + (index % 3) : 100 + (index % 3),
        })),
      ),
    )
    for (const [name, read] of Object.entries(seriesReads(scope, frame, { before, after: range }))) {
      const found = new Set((await read.execute()).map(({ series }) => series))
      expect([name, [...found].sort()]).toEqual([name, [...names].sort()])
    }
    const one = frameOf(scope, [{ series: 'one', bucket: range.from, value: 1 }])
    const paired = await join(scope, frame, one, { on: 'bucket' }).execute()
    expect(paired.map(({ series }) => series).sort()).toEqual(names.map((text) => `${text} / one`).sort())
    await everyText({ field: 'series', taken: fits(1024) }, async (series) => {
      const [row] = await combine(scope, one, one, { op: 'sum', series }).execute()
      return row!.series
    })
    await everyText({ field: 'by.label', taken: fits(1024) }, async (label) => {
      const labels = JSON.stringify(Object.fromEntries([[label, label]]))
      const labelled = scope.db
        .selectFrom(one.as('one'))
        .selectAll('one')
        .select(sql<unknown>`${labels}::jsonb`.as('labels'))
      return (await aggregateAcross(scope, labelled, { with: 'sum', by: { label } }).execute())[0]!.series
    })
    const resource = { urn: 'urn:label', type: 'service', name: 'n' }
    const id = await ensureResource(scope, resource)
    const owned = scope.db
      .selectFrom(one.as('one'))
      .selectAll('one')
      .select(sql<string>`${id}::int8`.as('resource_id'))
    await everyText({ field: 'by.resourceLabel', taken: fits(1024) }, async (resourceLabel) => {
      const across = aggregateAcross(scope, owned, { with: 'sum', by: { resourceLabel } })
      await ensureResource(scope, { ...resource, labels: Object.fromEntries([[resourceLabel, resourceLabel]]) })
      return (await across.execute())[0]!.series
    })
    await noText('with', (how) => resample(scope, frame, { every: '1 hour', with: how as 'avg' }))
    await noText('op', (op) => combine(scope, frame, frame, { op: op as 'sum' }))
    await noText('fill', (fill) =>
      gapfill(scope, frame, { every: '1 hour', range, fill: fill === 'null' ? ('nil' as 'null') : (fill as 'null') }),
    )
    await noText('by.resource', (resource) => aggregateAcross(scope, frame as never, { with: 'sum', by: { resource: resource as 'env' } }))
  })

  it('as columns and items of a ranking', async () => {
    // 63 bytes is how long a column's name can be.
    for (const text of fitting(63)) {
      const column = text as 'name'
      const query = test.db.selectNoFrom([sql<string>`${column}::text`.as(column), sql<number>`1`.as('points')])
      const ranking = rankBy(scope, query, { item: column, score: 'points' })
      expect(await topK(scope, ranking, 1).execute()).toEqual([{ [column]: column, points: 1, item: column, score: 1 }])
      expect(await distinctCount(scope, query, column).execute()).toEqual([{ distinct_count: 1 }])
      const numbers = test.db.selectNoFrom(sql<number>`7`.as(column))
      expect(await rankBy(scope, numbers, { item: column, score: column }).clearSelect().select('score').execute()).toEqual([{ score: 7 }])
    }
  })

  it('as durations, which are never anything else', async () => {
    const frame = callSeries(scope, { measure: 'rps', range })
    await noText('duration', (text) => last(text))
    await noText('silence', (silence) => newPatterns(scope, { range, silence }))
    await noText('window', (window) => anomalies(scope, frame, { window }))
    await noText('window', (window) => firstDeparture(scope, frame, { window }))
    await noText('every', (every) => resample(scope, frame, { every, with: 'sum' }))
    await noText('window', (window) => movingAverage(scope, frame, { window }))
    await noText('halfLife', (halfLife) => ewma(scope, frame, { halfLife }))
    await noText('later', (later) => shift(scope, frame, { later }))
    await noText('season', (season) => seasonalBaseline(scope, frame, { season }))
    await noText('horizon', (horizon) => timeToThreshold(scope, frame, { threshold: 1, horizon }))
    await noText('horizon', (horizon) => forecast(scope, frame, { horizon, every: '1 hour' }))
    await noText('windows[0].long', (long) =>
      burnRate(scope, { total: frame, bad: frame }, { objective: 0.9, windows: [{ long, short: '1 minute', burn: 1 }] }),
    )
    await noText('horizon', (horizon) => rollUp([], { horizon }).next())
    if (leg.age) await noText('window', (window) => refreshCallGraph(scope, { window }))
    for (const long of [`${'9'.repeat(400)} weeks`, '99999999999 weeks']) {
      expect(() => last(long)).toThrow(/^duration: /)
      expect(() => newPatterns(scope, { range, silence: long })).toThrow(/^silence: /)
      expect(() => anomalies(scope, frame, { window: long })).toThrow(/^window: /)
      if (leg.age) await expect(refreshCallGraph(scope, { window: long })).rejects.toThrow(/^window: /)
    }
  })

  it('as JSON that is too deep or goes round in a circle', async () => {
    let deep: Record<string, never> | unknown[] = []
    for (let depth = 0; depth < 20_000; depth += 1) deep = [deep]
    const circle: Record<string, never> = {}
    Object.assign(circle, { circle })
    for (const labels of [{ deep: deep as never[] }, circle]) {
      await expect(ensureTenant(test.db, { code: 'deep', labels })).rejects.toThrow(/^labels/)
      await expect(ensureResources(scope, [{ urn: 'urn:deep', type: 't', name: 'n', labels }])).rejects.toThrow(/^resources\[0\]\.labels/)
    }
  })

  it('leaves everything standing that was there before', async () => {
    const now = new Set(await objects(test.db))
    expect(before.filter((object) => !now.has(object))).toEqual([])
    expect((await doctor(test.db)).drift).toEqual([])
  })
})
