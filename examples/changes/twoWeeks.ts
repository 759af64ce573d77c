import { ensureResources, recordTopology, type Scope } from '../../src/index.ts'

const service = (name: string) => `urn:k8s:svc:shop/${name}`
const node = (name: string) => `urn:k8s:node:eu-1/${name}`
const store = (name: string) => `urn:db:${name}`

/** The two moments that are compared: Sunday noon, and the Sunday noon before. */
export const lastWeek = new Date('2026-11-15T12:00:00Z')
export const today = new Date('2026-11-22T12:00:00Z')

/** What is hidden in the data, for a reader to hold the answers against. */
export const hidden = {
  /** checkout asks a new service, which asks customer. */
  fraudCheck: { service: service('fraud-check'), since: new Date('2026-11-17T06:00:00Z') },
  /** customer asks checkout: this closes a cycle. */
  cycle: { members: [service('checkout'), service('customer'), service('fraud-check')], since: new Date('2026-11-18T06:00:00Z') },
  /** recommendation reads the new catalog and no longer the legacy one. */
  movedOff: { service: service('legacy-catalog'), since: new Date('2026-11-19T06:00:00Z') },
  /** payment moves to another machine, where everything else that takes money runs already. */
  moved: { service: service('payment'), from: node('worker-1'), to: node('worker-2'), since: new Date('2026-11-20T06:00:00Z') },
  /** checkout is deployed, where it was. */
  deployed: { service: service('checkout'), image: 'checkout:4.2', since: new Date('2026-11-17T06:00:00Z') },
  /** inventory did without its cache for a day. */
  flapped: { from: service('inventory'), to: store('redis:cache-1'), on: '2026-11-18' },
}

/** Records what tracing and Kubernetes would report each morning of two weeks: two sources, each with a relation of its own. */
export async function writeTwoWeeks(scope: Scope): Promise<void> {
  const mornings = Array.from({ length: 14 }, (_, day) => new Date(Date.UTC(2026, 10, 9 + day, 6)))
  const names = new Set(mornings.flatMap((at) => [...callsOn(at), ...placesOn(at)].flatMap(({ from, to }) => [from, to])))
  await ensureResources(
    scope,
    [...names].map((urn) => ({
      urn,
      type: urn.split(':')[urn.startsWith('urn:k8s:') ? 2 : 1]!,
      name: urn.slice(urn.lastIndexOf('/') + 1),
    })),
  )
  for (const at of mornings) {
    await recordTopology(scope, callsOn(at), { at, relation: 'calls', source: 'tracing' })
    await recordTopology(scope, placesOn(at), { at, relation: 'runs_on', source: 'kubernetes' })
  }
}

function callsOn(at: Date) {
  const day = at.toISOString().slice(0, 10)
  const calls: [string, string][] = [
    [service('frontend'), service('checkout')],
    [service('frontend'), service('cart')],
    [service('frontend'), service('recommendation')],
    [service('frontend'), service('customer')],
    [service('checkout'), service('cart')],
    [service('checkout'), service('payment')],
    [service('checkout'), service('inventory')],
    [service('checkout'), service('notification')],
    [service('payment'), store('postgres:payments')],
    [service('inventory'), store('postgres:shop')],
    [service('customer'), store('postgres:shop')],
    [service('cart'), store('redis:cache-1')],
    [service('catalog'), store('postgres:shop')],
    [service('frontend'), service('catalog')],
  ]
  if (day !== hidden.flapped.on) calls.push([hidden.flapped.from, hidden.flapped.to])
  if (at >= hidden.fraudCheck.since)
    calls.push([service('checkout'), hidden.fraudCheck.service], [hidden.fraudCheck.service, service('customer')])
  if (at >= hidden.cycle.since) calls.push([service('customer'), service('checkout')])
  calls.push([service('recommendation'), at >= hidden.movedOff.since ? service('catalog') : hidden.movedOff.service])
  if (at < hidden.movedOff.since) calls.push([hidden.movedOff.service, store('mysql:legacy')])
  return calls.map(([from, to]) => ({ from, to }))
}

function placesOn(at: Date) {
  const on = (machine: string, ...names: string[]) =>
    names.map((name) => ({ from: service(name), to: node(machine), image: `${name}:1.0` }))
  const places = [
    ...on('worker-1', 'frontend', 'recommendation', 'legacy-catalog', 'notification'),
    ...on('worker-2', 'checkout', 'cart', 'inventory'),
    ...on('worker-3', 'customer', 'catalog'),
    ...on(at >= hidden.moved.since ? 'worker-2' : 'worker-1', 'payment'),
    ...(at >= hidden.fraudCheck.since ? on('worker-3', 'fraud-check') : []),
  ]
  return places.map(({ from, to, image }) => ({
    from,
    to,
    props: { image: from !== hidden.deployed.service ? image : at >= hidden.deployed.since ? hidden.deployed.image : 'checkout:4.1' },
  }))
}
