import { describe, expect, it } from 'vitest'
import type { CallRow } from '../../../src/ingest/rollups/windows/ingestWindow.ts'
import { histogramOf } from '../../../src/sketch/exponentialHistogram.ts'
import { date, rolledUp, span, spans, urn } from './telemetry.ts'

const brief = ({ from, to, callCount, errorCount, p95Ms }: CallRow) => ({ from, to, calls: callCount, errors: errorCount, p95: p95Ms })
async function calls(...payloads: object[]) {
  const { windows, report } = await rolledUp(payloads)
  return { calls: windows.flatMap((window) => window.calls.map(brief)), windows, report }
}
const edge = (from: string, to: string, p95: number, errors = 0, count = 1) => ({ from, to, calls: count, errors, p95 })

const client = { id: 'c', kind: 'CLIENT', from: 10, to: 10.5 } as const
const server = { id: 's', parent: 'c', kind: 'SERVER', from: 10.1, to: 10.3 } as const

describe('a client span and the server span below it', () => {
  it('are one call, as long as the client waited, in whatever order they come', async () => {
    const a = spans('a', [client])
    const b = spans('b', [server])
    for (const order of [
      [a, b],
      [b, a],
    ]) {
      expect((await calls(...order)).calls).toEqual([edge(urn('a'), urn('b'), 500)])
    }
  })

  it('never also count as a call to the host the client names', async () => {
    const named = { ...client, with: { 'server.address': 'b.internal', 'server.port': 8080 } }
    expect((await calls(spans('a', [named]), spans('b', [server]))).calls).toEqual([edge(urn('a'), urn('b'), 500)])
    expect((await calls(spans('a', [named]))).calls).toEqual([edge(urn('a'), 'urn:host:b.internal:8080', 500)])
  })

  it.each([
    ['client', true, false],
    ['server', false, true],
    ['both', true, true],
  ])('failed on %s side: one error', async (_, onClient, onServer) => {
    const found = await calls(spans('a', [{ ...client, failed: onClient }]), spans('b', [{ ...server, failed: onServer }]))
    expect(found.calls).toEqual([edge(urn('a'), urn('b'), 500, 1)])
  })

  it("are two latencies: beside the caller's stands what the callee took, the longest of its spans", async () => {
    const again = { ...server, id: 's2', from: 10.25, to: 10.4 }
    const { windows } = await calls(spans('a', [client]), spans('b', [server, again]))
    expect(windows[0]!.calls).toMatchObject([{ p95Ms: 500, calleeCount: 1, calleeP50Ms: 200, calleeP95Ms: 200, calleeHistogram: null }])
  })

  it('may have one id, as Zipkin gives them, whichever comes first', async () => {
    const shared = { ...server, id: 'c', parent: 'r', failed: true } as const
    const front = spans('a', [
      { id: 'r', kind: 'SERVER', from: 9, to: 11 },
      { ...client, parent: 'r' },
    ])
    // What the server calls in turn has the shared id as its parent.
    const back = spans('b', [shared, { ...client, id: 'd', parent: 'c', with: { 'peer.service': 'z' } }])
    const expected = [edge('urn:external:client', urn('a'), 2000), edge(urn('a'), urn('b'), 500, 1), edge(urn('b'), urn('z'), 500)]
    for (const order of [
      [front, back],
      [back, front],
    ]) {
      const found = await calls(...order)
      expect(found.calls).toEqual(expected)
      expect(found.report).toMatchObject({ duplicateRecords: 0, unpaired: { client: 0, producer: 0, server: 0, consumer: 0 } })
    }
    expect((await calls(spans('b', [{ ...shared, parent: undefined }]))).calls).toEqual([edge('urn:external:client', urn('b'), 200, 1)])
  })

  it('of which only the callee has the id of its own caller: nobody else calls it', async () => {
    const found = await calls(
      spans('u', [{ ...client, id: 'p' }]),
      spans('a', [
        { ...server, id: 'p', parent: undefined },
        { ...client, id: 'x', parent: 'p' },
      ]),
      spans('b', [{ ...server, id: 'x', parent: 'p' }]),
    )
    expect(found.calls.map(({ from, to }) => [from, to])).toEqual([
      [urn('a'), urn('b')],
      [urn('u'), urn('a')],
    ])
  })

  it('lie in the window in which the client started', async () => {
    const { windows } = await calls(spans('a', [{ ...client, from: 299.9, to: 301 }]), spans('b', [{ ...server, from: 300.1, to: 300.5 }]))
    expect(windows.map(({ from, calls }) => [from, calls.map(brief)])).toEqual([
      [date(0), [edge(urn('a'), urn('b'), 1100)]],
      [date(300), []],
    ])
  })

  it("with clocks apart: the latency is the client's, and the call is counted as skewed", async () => {
    const found = await calls(spans('a', [client]), spans('b', [{ ...server, from: 7, to: 7.2 }]))
    expect(found.calls).toEqual([edge(urn('a'), urn('b'), 500)])
    expect(found.report.skewedCalls).toBe(1)
  })

  it('in one service: a call to itself', async () => {
    expect((await calls(spans('a', [client, server]))).calls).toEqual([edge(urn('a'), urn('a'), 500)])
  })

  it('several below one client in one service are one call, and it failed if one of them did', async () => {
    const found = await calls(spans('a', [client]), spans('b', [server, { ...server, id: 's2', from: 10.2, failed: true }]))
    expect(found.calls).toEqual([edge(urn('a'), urn('b'), 500, 1)])
  })
})

describe('rows', () => {
  it('have rate, error ratio, exact percentiles and a histogram', async () => {
    const list = Array.from({ length: 20 }, (_, i) => ({
      ...client,
      id: `c${i}`,
      from: i,
      to: i + (i + 1) / 100,
      failed: i < 5,
      with: { 'peer.service': 'b' },
    }))
    const { windows } = await rolledUp([spans('a', list)])
    expect(windows[0]!.calls).toEqual([
      {
        bucket: date(0),
        from: urn('a'),
        to: urn('b'),
        callCount: 20,
        errorCount: 5,
        rps: 20 / 300,
        errRate: 0.25,
        p50Ms: 100,
        p95Ms: 190,
        histogram: histogramOf(list.map((_, i) => (i + 1) * 10)),
        calleeCount: 0,
        calleeP50Ms: null,
        calleeP95Ms: null,
        calleeHistogram: null,
        locator: 0,
      },
    ])
  })

  it('of a single call have no histogram', async () => {
    const { windows } = await rolledUp([spans('a', [client]), spans('b', [server])])
    expect(windows[0]!.calls[0]).toMatchObject({ callCount: 1, p50Ms: 500, p95Ms: 500, histogram: null })
  })
})

describe('a client span without a callee', () => {
  it.each([
    [{ 'db.system.name': 'postgresql', 'db.namespace': 'shop', 'server.address': 'pg', 'server.port': 5432 }, 'urn:db:postgres:pg/shop'],
    [{ 'db.system': 'postgresql', 'db.name': 'shop', 'net.peer.name': 'pg', 'net.peer.port': 5433 }, 'urn:db:postgres:pg:5433/shop'],
    [{ 'messaging.system': 'kafka', 'messaging.destination.name': 'orders', 'server.address': 'k' }, 'urn:queue:kafka/orders'],
    [{ 'peer.service': 'billing', 'server.address': 'b' }, urn('billing')],
    [{ 'server.address': 'api.example.org', 'server.port': 443 }, 'urn:host:api.example.org'],
    [{ 'url.full': 'http://[::1]:8080/x?y=z' }, 'urn:host:[::1]:8080'],
  ])('%j calls %s', async (given, to) => {
    expect((await calls(spans('a', [{ ...client, with: given }]))).calls).toEqual([edge(urn('a'), to, 500)])
  })

  it('that names nothing is counted', async () => {
    const found = await calls(spans('a', [client]))
    expect(found.calls).toEqual([])
    expect(found.report.unpaired.client).toBe(1)
  })

  it.each([
    ['the same service', { 'peer.service': 'b' }, { 'peer.service': 'b' }, [urn('b')]],
    ['its host, as another library sees it', { 'peer.service': 'b' }, { 'server.address': 'b.internal' }, ['urn:host:b.internal']],
    ['the same host with its port', { 'server.address': 'b' }, { 'server.address': 'b', 'server.port': 81 }, ['urn:host:b:81']],
    ['somebody, where it names nobody', {}, { 'peer.service': 'b' }, [urn('b')]],
    ['nobody', { 'peer.service': 'b' }, {}, [urn('b')]],
    ['somebody else', { 'server.address': 'b' }, { 'server.address': 'tokens' }, ['urn:host:b', 'urn:host:tokens']],
    ['another host', { 'peer.service': 'b' }, { 'server.address': 'login.example.com' }, ['urn:host:login.example.com', urn('b')]],
    ['a cache', { 'server.address': 'b' }, { 'db.system': 'redis' }, ['urn:db:redis:default/default', 'urn:host:b']],
  ])(
    'around a client span of its service that names %s',
    async (_, outer: Record<string, string>, inner: Record<string, string | number>, to) => {
      const within = { ...client, id: 'i', parent: 'c', from: 10.1, with: inner }
      const found = await calls(spans('a', [{ ...client, with: outer }, within]))
      expect(found.calls.map((call) => call.to).toSorted()).toEqual(to)
    },
  )

  it('around another one is one call with it, whichever of them has the callee or fails', async () => {
    const outer = { ...client, with: { 'server.address': 'b' } }
    const inner = { ...client, id: 'i', parent: 'c' }
    const named = { ...inner, with: { 'server.address': 'b' } }
    for (const [list, parent] of [
      [[outer, named], 'c'],
      [[outer, named], 'i'],
      [[outer, inner], 'i'],
    ] as const) {
      expect((await calls(spans('a', [...list]), spans('b', [{ ...server, parent }]))).calls).toEqual([edge(urn('a'), urn('b'), 500)])
    }
    expect((await calls(spans('a', [{ ...outer, failed: true }, named]))).calls).toEqual([edge(urn('a'), 'urn:host:b', 500, 1)])
  })

  it.each(['net-banking transfer', 'socket.io emit', 'tls-terminator /pay', 'dns', 'reconnect'])(
    'is a call where it is named %s',
    async (name) => {
      expect((await calls(spans('a', [{ ...client, name, with: { 'peer.service': 'b' } }]))).calls).toHaveLength(1)
    },
  )

  it.each(['dns.lookup', 'tcp.connect', 'tls.connect'])('keeps its latency and its failure when %s is below it', async (name) => {
    const host = { 'server.address': 'api.example.org', 'server.port': 443 }
    const part = { ...client, id: 'i', parent: 'c', to: 10.1, name, with: name === 'dns.lookup' ? {} : host }
    const found = await calls(spans('a', [{ ...client, failed: true, with: { ...host, 'http.request.method': 'POST' } }, part]))
    expect(found.calls).toEqual([edge(urn('a'), 'urn:host:api.example.org', 500, 1)])
  })

  it('that only opens a database connection is no call', async () => {
    const db = { 'db.system.name': 'postgresql', 'server.address': 'pg', 'db.namespace': 'shop' }
    const found = await calls(
      spans('a', [
        { ...client, id: '1', name: 'pg-pool.connect', with: db },
        { ...client, id: '2', name: 'pg.query:SELECT shop', with: { ...db, 'db.query.text': 'select 1' } },
      ]),
    )
    expect(found.calls).toEqual([edge(urn('a'), 'urn:db:postgres:pg/shop', 500)])
  })

  it('above a span of another kind in another service: that service', async () => {
    expect((await calls(spans('a', [client]), spans('b', [{ ...server, kind: 'INTERNAL' }]))).calls).toEqual([
      edge(urn('a'), urn('b'), 500),
    ])
  })
})

describe('a server span', () => {
  it('without a parent is called from outside: what it took is all that is known', async () => {
    const { windows } = await calls(spans('b', [{ ...server, parent: undefined }]))
    expect(windows[0]!.calls).toMatchObject([
      { from: 'urn:external:client', to: urn('b'), callCount: 1, p95Ms: 200, calleeCount: 1, calleeP95Ms: 200 },
    ])
  })

  it.each([
    ['zeros', '0000000000000000'],
    ['zeros as base64', 'AAAAAAAAAAA='],
    ['nothing', null],
  ])('whose parent is %s has none', async (_, parentSpanId) => {
    const request = spans('b', [{ ...server, parent: undefined }])
    Object.assign(request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!, { parentSpanId })
    const found = await calls(request)
    expect(found.calls).toMatchObject([{ from: 'urn:external:client', to: urn('b'), calls: 1 }])
    expect(found.report.unpaired.server).toBe(0)
  })

  it("without ids counts, as often as it comes, and is nobody's callee", async () => {
    const request = spans('b', [
      { ...server, parent: undefined },
      { ...server, parent: undefined },
      { ...client, with: { 'peer.service': 'c' } },
    ])
    for (const each of request.resourceSpans[0]!.scopeSpans[0]!.spans) Object.assign(each, { traceId: '', spanId: undefined })
    const found = await calls(request)
    expect(found.calls).toMatchObject([
      { from: 'urn:external:client', to: urn('b'), calls: 2 },
      { from: urn('b'), to: urn('c'), calls: 1 },
    ])
    expect(found.report).toMatchObject({ spans: 3, spansWithoutId: 3, duplicateRecords: 0 })
  })

  it('whose parent never comes is called by somebody unknown, and counted', async () => {
    const found = await calls(spans('b', [server]))
    expect(found.calls).toMatchObject([{ from: 'urn:external:unknown', to: urn('b') }])
    expect(found.report.unpaired.server).toBe(1)
  })

  it('below a span of another service that is no client is called by that service', async () => {
    const found = await calls(spans('a', [{ ...client, kind: 'INTERNAL' }]), spans('b', [server]))
    expect(found.calls).toMatchObject([{ from: urn('a'), to: urn('b') }])
  })

  it('below a server span of its own service is part of it', async () => {
    const outer = { ...server, id: 'o', parent: undefined }
    const found = await calls(spans('b', [outer, { ...server, parent: 'o' }]))
    expect(found.calls).toMatchObject([{ from: 'urn:external:client', to: urn('b'), calls: 1 }])
  })

  it('that begins in the window after that of its client is of the same call', async () => {
    const named = { ...client, from: 299, to: 300.5, with: { 'peer.service': 'other' } }
    const found = await calls(spans('b', [{ ...server, from: 300.1, to: 300.4 }]), spans('a', [named]))
    expect(found.calls).toEqual([edge(urn('a'), urn('b'), 1500)])
  })
})

describe('what has the id of both sides of a call as its parent', () => {
  it('was caused by the callee', async () => {
    const found = await calls(
      spans('front', [{ id: 'k', kind: 'CLIENT', from: 1, to: 9 }]),
      spans('cart', [{ id: 'k', kind: 'SERVER', from: 2, to: 8 }]),
      spans('ship', [{ id: 's', parent: 'k', kind: 'SERVER', from: 3, to: 4 }]),
    )
    expect(found.calls).toEqual([edge(urn('cart'), urn('ship'), 1000), edge(urn('front'), urn('cart'), 8000)])
  })
})

describe('messages', () => {
  const queue = { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' }
  const producer = { id: 'p', kind: 'PRODUCER', from: 10, to: 10.01, with: queue } as const

  it.each([
    ['parent', { parent: 'p' }],
    ['link', { links: ['p'] }],
    ['both', { parent: 'p', links: ['p'] }],
  ])('joined by %s are one call, from the start of sending to the end of processing', async (_, join) => {
    const consumer = { id: 'k', kind: 'CONSUMER', from: 12, to: 13, with: queue, ...join } as const
    expect((await calls(spans('a', [producer]), spans('b', [consumer]))).calls).toEqual([edge(urn('a'), urn('b'), 3000)])
  })

  it('with several consumers are a call to each service', async () => {
    const consumer = (id: string, to: number) => ({ id, parent: 'p', kind: 'CONSUMER', from: 11, to }) as const
    const found = await calls(spans('a', [producer]), spans('b', [consumer('k1', 12)]), spans('c', [consumer('k2', 14)]))
    expect(found.calls).toEqual([edge(urn('a'), urn('b'), 2000), edge(urn('a'), urn('c'), 4000)])
  })

  it('with clocks apart never take negative time', async () => {
    const consumer = { id: 'k', parent: 'p', kind: 'CONSUMER', from: 8, to: 8.5 } as const
    const found = await calls(spans('a', [producer]), spans('b', [consumer]))
    expect(found.calls[0]!.p95).toBeCloseTo(510, 6)
    expect(found.report.skewedCalls).toBe(1)
  })

  it('that nobody consumed were sent to the queue; that nobody sent come from it', async () => {
    expect((await calls(spans('a', [producer]))).calls).toMatchObject([{ from: urn('a'), to: 'urn:queue:kafka/orders' }])
    const consumer = { id: 'k', links: ['gone'], kind: 'CONSUMER', from: 11, to: 12, with: queue } as const
    expect((await calls(spans('b', [consumer]))).calls).toEqual([edge('urn:queue:kafka/orders', urn('b'), 1000)])
  })
})

describe('spans of no use', () => {
  it('end before they start, have no time, or were here before', async () => {
    const { report, calls: found } = await calls(
      spans('a', [{ ...client, to: 9 }]),
      { resourceSpans: [{ scopeSpans: [{ spans: [{ ...span(client), startTimeUnixNano: '0' }] }] }] },
      spans('b', [{ ...server, parent: undefined }]),
      spans('b', [
        { ...server, parent: undefined },
        { id: 'other', from: 11, to: 12 },
      ]),
    )
    expect(report).toMatchObject({ negativeSpans: 1, untimedRecords: 1, duplicateRecords: 1, recordsWithoutService: 1 })
    expect(found).toMatchObject([{ to: urn('b'), calls: 1 }])
  })

  it('without a service name belong to unknown_service', async () => {
    const { calls: found, report } = await calls(spans(undefined, [{ ...server, parent: undefined }]))
    expect(found).toMatchObject([{ to: 'urn:k8s:svc:default/unknown_service' }])
    expect(report.recordsWithoutService).toBe(1)
  })
})

describe('a span whose status is unset', () => {
  it.each([
    ['SERVER', { 'http.response.status_code': 503 }, 1],
    ['SERVER', { 'http.status_code': '500' }, 1],
    ['SERVER', { 'http.response.status_code': 404 }, 0],
    ['CLIENT', { 'http.response.status_code': 404 }, 1],
    ['CLIENT', { 'http.response.status_code': 302 }, 0],
    ['SERVER', { 'rpc.grpc.status_code': 14 }, 1],
    ['SERVER', { 'rpc.grpc.status_code': 5 }, 0],
    ['CLIENT', { 'rpc.grpc.status_code': 5 }, 1],
    ['CLIENT', { 'rpc.grpc.status_code': 0 }, 0],
    ['SERVER', { 'rpc.response.status_code': 'UNAVAILABLE' }, 1],
    ['CLIENT', { 'rpc.response.status_code': 'OK' }, 0],
    ['SERVER', { 'error.type': 'timeout' }, 1],
    ['SERVER', {}, 0],
  ] as const)('failed as its protocol says: %s %j', async (kind, given, errors) => {
    const one = { id: 'x', kind, from: 10, to: 10.5, with: { 'peer.service': 'z', ...given } }
    expect((await calls(spans('a', [one]))).calls).toMatchObject([{ calls: 1, errors }])
    const request = spans('a', [one])
    request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.status = { code: 1 }
    expect((await calls(request)).calls).toMatchObject([{ calls: 1, errors: 0 }])
  })
})

describe('who receives messages', () => {
  const queue = { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' }
  const published = { id: 'p', kind: 'PRODUCER', from: 60, to: 60.002, with: queue } as const

  it('and waited since before they were sent has no wrong clock', async () => {
    const consumed = { id: 'q', links: ['p'], kind: 'CONSUMER', from: 0, to: 60.1, with: queue } as const
    const found = await calls(spans('a', [published]), spans('b', [consumed]))
    expect(found.calls).toEqual([edge(urn('a'), urn('b'), 100)])
    expect(found.report.skewedCalls).toBe(0)
  })

  it.each([
    ['by its name', { name: 'receive', with: queue }],
    ['by the name of its operation', { name: 'fetch', with: { ...queue, 'messaging.operation.name': 'poll' } }],
    ['as SQS calls it', { name: 'SQS.ReceiveMessage', with: queue }],
    ['by its operation', { name: 'orders', with: { ...queue, 'messaging.operation.type': 'receive' } }],
  ])('as a client, %s, does not call itself', async (_, more) => {
    const received = { id: 'r', kind: 'CLIENT', from: 60.05, to: 60.15, ...more } as const
    const processed = { id: 'q', parent: 'r', links: ['p'], kind: 'CONSUMER', from: 60.15, to: 60.16, with: queue } as const
    const found = await calls(spans('a', [published]), spans('b', [received, processed]))
    expect(found.calls).toEqual([edge(urn('a'), urn('b'), 160)])
    const linked = await calls(spans('a', [published]), spans('b', [{ ...received, links: ['p'] }]))
    expect(linked.calls).toEqual([edge(urn('a'), urn('b'), 150)])
  })

  it('is not who publishes, whatever the span is called', async () => {
    for (const more of [
      { name: 'publish poll-results', with: { ...queue, 'messaging.operation.name': 'publish' } },
      { name: 'send pull-requests', with: queue },
    ]) {
      const found = await calls(spans('a', [{ id: 'c', kind: 'CLIENT', from: 1, to: 2, ...more }]))
      expect(found.calls).toMatchObject([{ from: urn('a'), to: 'urn:queue:kafka/orders' }])
    }
  })
})
