import { describe, expect, it } from 'vitest'
import { reportingResource } from '../../../src/ingest/records/reportingResource.ts'
import { attributes } from './telemetry.ts'

type Attributes = Parameters<typeof attributes>[0]
const reported = (values: Attributes, dataset: 'traces' | 'metrics' | 'logs' = 'metrics') => {
  const { resource, seriesLabels, nameless } = reportingResource(attributes(values), dataset)
  return { urn: resource.urn, type: resource.type, labels: seriesLabels, nameless }
}
describe('what one reporter measures is a series of its own', () => {
  it("a kubelet's pods, containers and volumes (kubeletstats)", () => {
    const pod = { 'k8s.namespace.name': 'web', 'k8s.pod.name': 'api-0', 'k8s.pod.uid': 'u-0' }
    const ofPod = { 'k8s.pod.name': 'api-0', 'k8s.pod.uid': 'u-0' }
    expect(reported(pod)).toEqual({ urn: 'urn:k8s:svc:web/unknown_service', type: 'service', labels: ofPod, nameless: true })
    expect(reported({ ...pod, 'k8s.container.name': 'api', 'container.id': 'c1', 'container.image.name': 'api:7' })).toEqual({
      urn: 'urn:k8s:svc:web/api',
      type: 'service',
      labels: { ...ofPod, 'container.id': 'c1' },
      nameless: false,
    })
    expect(
      reported({ ...pod, 'k8s.volume.name': 'data', 'k8s.volume.type': 'awsElasticBlockStore', 'aws.volume.id': 'vol-1' }).labels,
    ).toEqual({
      ...ofPod,
      'k8s.volume.name': 'data',
      'aws.volume.id': 'vol-1',
    })
    expect(reported({ 'k8s.node.name': 'Node-1' })).toMatchObject({ urn: 'urn:host:node-1', type: 'host', labels: {} })
  })

  it("a cluster's objects (k8s_cluster): what is deployed is the service of its name", () => {
    const cluster = { 'k8s.cluster.name': 'east', 'k8s.namespace.name': 'web' }
    expect(reported({ ...cluster, 'k8s.deployment.name': 'api', 'k8s.deployment.uid': 'd' })).toEqual({
      urn: 'urn:k8s:svc:web/api',
      type: 'service',
      labels: { 'k8s.cluster.name': 'east', 'k8s.deployment.uid': 'd' },
      nameless: false,
    })
    // A replica set and a job have a new name each time.
    expect(
      reported({ ...cluster, 'k8s.replicaset.name': 'api-7d9f', 'k8s.pod.labels.app': 'api', 'k8s.pod.start_time': 'x' }),
    ).toMatchObject({
      urn: 'urn:k8s:svc:web/unknown_service',
      labels: { 'k8s.cluster.name': 'east', 'k8s.replicaset.name': 'api-7d9f' },
    })
    expect(reported({ 'k8s.node.name': 'n1', 'k8s.node.uid': 'n', 'k8s.kubelet.version': '1.33' })).toMatchObject({
      urn: 'urn:host:n1',
      labels: { 'k8s.node.uid': 'n' },
    })
  })

  it("a host's processes (hostmetrics), and the host itself without what only describes it", () => {
    const host = {
      'host.name': 'web-1',
      'host.id': 'i-7',
      'host.arch': 'arm64',
      'os.type': 'linux',
      'cloud.region': 'eu',
      'cloud.account.id': '1',
    }
    expect(reported(host)).toMatchObject({ urn: 'urn:host:web-1', type: 'host', labels: { 'host.id': 'i-7' } })
    const process = { 'process.executable.path': '/usr/bin/nginx', 'process.command_line': 'nginx -p secret', 'process.owner': 'www' }
    expect(reported({ ...host, ...process, 'process.pid': 12, 'process.executable.name': 'nginx', 'process.parent_pid': 1 })).toMatchObject(
      {
        urn: 'urn:host:web-1',
        labels: { 'host.id': 'i-7', 'process.pid': 12, 'process.executable.name': 'nginx' },
      },
    )
  })

  it("a host's containers (docker_stats)", () => {
    const container = { 'container.id': 'c1', 'container.name': 'db-1', 'container.image.name': 'postgres', 'container.runtime': 'docker' }
    expect(reported({ ...container, 'container.hostname': 'c1', 'host.name': 'web-1' })).toMatchObject({
      urn: 'urn:host:web-1',
      labels: { 'container.id': 'c1', 'container.name': 'db-1' },
    })
  })

  it("a server's databases, tables and indexes (postgresql): the database that calls name", () => {
    const table = { 'postgresql.database.name': 'shop', 'postgresql.schema.name': 'public', 'postgresql.table.name': 'orders' }
    const labels = { 'postgresql.schema.name': 'public', 'postgresql.table.name': 'orders' }
    expect(reported(table)).toEqual({ urn: 'urn:db:postgres:default/shop', type: 'database', labels, nameless: false })
    expect(
      reported({ ...table, 'server.address': 'PG.internal', 'server.port': 5432, 'service.name': 'unknown_service:postgresql' }),
    ).toEqual({
      urn: 'urn:db:postgres:pg.internal/shop',
      type: 'database',
      labels,
      nameless: false,
    })
    // What everybody calls localhost is named by its host.
    expect(reported({ ...table, 'server.address': 'localhost', 'server.port': 5433, 'host.name': 'db-7' })).toMatchObject({
      urn: 'urn:db:postgres:db-7:5433/shop',
      labels,
    })
  })

  it('servers (mysql, redis, mongodb, elasticsearch)', () => {
    expect(reported({ 'mysql.instance.endpoint': 'localhost:3306', 'host.name': 'db-7' })).toMatchObject({
      urn: 'urn:db:mysql:db-7/default',
      labels: {},
    })
    expect(reported({ 'mysql.instance.endpoint': 'my:3307' })).toMatchObject({ urn: 'urn:db:mysql:my:3307/default', labels: {} })
    expect(reported({ 'redis.version': '8.0', 'server.address': 'cache', 'server.port': 6379 })).toMatchObject({
      urn: 'urn:db:redis:cache/default',
      labels: {},
    })
    expect(reported({ database: 'shop', 'server.address': 'mongo-0', 'server.port': 27017 })).toMatchObject({
      urn: 'urn:host:mongo-0:27017',
      labels: { database: 'shop' },
    })
    expect(
      reported({ 'elasticsearch.cluster.name': 'logs', 'elasticsearch.node.name': 'n1', 'elasticsearch.node.version': '9' }),
    ).toMatchObject({
      urn: 'urn:db:elasticsearch:default/default',
      labels: { 'elasticsearch.cluster.name': 'logs', 'elasticsearch.node.name': 'n1' },
    })
  })

  it('devices (hardware)', () => {
    expect(reported({ 'host.name': 'rack-1', 'hw.id': 'fan-2', 'hw.type': 'fan' }).labels).toEqual({ 'hw.id': 'fan-2', 'hw.type': 'fan' })
  })

  it('whatever the order of the attributes', () => {
    const both = { 'redis.version': '8', 'mysql.instance.endpoint': 'my' }
    const turned = { 'mysql.instance.endpoint': 'my', 'redis.version': '8' }
    expect(reported(both)).toEqual(reported(turned))
  })

  it('teams of one namespace of Kubernetes', () => {
    expect(reported({ 'k8s.namespace.name': 'web', 'service.namespace': 'shop' })).toMatchObject({
      urn: 'urn:k8s:svc:web/unknown_service',
      labels: { 'service.namespace': 'shop' },
    })
  })

  it('programs that no one has named', () => {
    const sdk = { 'service.name': 'unknown_service:java', 'telemetry.sdk.name': 'opentelemetry', 'process.runtime.name': 'OpenJDK' }
    expect(reported({ ...sdk, 'process.pid': 7, 'host.name': 'a' })).toEqual({
      urn: 'urn:k8s:svc:default/unknown_service:java'.replace('service:', 'service%3A'),
      type: 'service',
      labels: { 'process.pid': 7, 'host.name': 'a' },
      nameless: true,
    })
  })
})

describe('the instances of a service are one series', () => {
  const instance = (n: number) => ({
    'service.name': 'api',
    'service.instance.id': `i-${n}`,
    'service.version': `1.${n}`,
    'k8s.namespace.name': 'web',
    'k8s.pod.name': `api-${n}`,
    'k8s.pod.uid': `u-${n}`,
    'k8s.node.name': `n-${n}`,
    'host.name': `api-${n}`,
    'container.id': `c-${n}`,
    'process.pid': n,
    'server.address': `10.0.0.${n}`,
    team: `t-${n}`,
  })

  it('whatever tells them apart', () => {
    for (const n of [1, 2]) {
      expect(reported(instance(n))).toEqual({ urn: 'urn:k8s:svc:web/api', type: 'service', labels: {}, nameless: false })
    }
  })

  it('also where Prometheus scrapes them (a job with its instances; cAdvisor says the rest in its points)', () => {
    const job = { 'service.name': 'cadvisor', 'service.instance.id': '10.0.0.1:8080', 'server.address': '10.0.0.1', 'server.port': 8080 }
    expect(reported({ ...job, 'url.scheme': 'http', 'k8s.pod.name': 'cadvisor-1' })).toMatchObject({
      urn: 'urn:k8s:svc:default/cadvisor',
      labels: {},
    })
  })

  it("but what somebody else measures of the service's parts is not", () => {
    const sidecar = { ...instance(1), 'k8s.container.name': 'proxy' }
    expect(reported(sidecar).labels).toEqual({ 'k8s.container.name': 'proxy' })
    expect(reported({ ...sidecar, 'process.executable.name': 'node', 'telemetry.sdk.name': 'opentelemetry' }).labels).toEqual({})
    const orders = { 'postgresql.table.name': 'orders', 'db.namespace': 'shop', 'postgresql.version': '17' }
    expect(reported({ ...instance(1), ...orders }).labels).toEqual({ 'postgresql.table.name': 'orders', 'db.namespace': 'shop' })
    expect(reported({ 'service.name': 'switch', device: 'eth0', 'hw.id': 'fan' }).labels).toEqual({ device: 'eth0', 'hw.id': 'fan' })
    expect(reported({ 'service.name': 'infra', 'process.executable.name': 'nginx', 'process.pid': 4 }).labels).toEqual({
      'process.executable.name': 'nginx',
    })
  })

  it('and their traces and logs have no labels; without a name they are of the workload, else unknown', () => {
    const pod = { 'k8s.namespace.name': 'web', 'k8s.pod.name': 'api-0', 'host.name': 'n-1' }
    expect(reported(pod, 'traces')).toEqual({ urn: 'urn:k8s:svc:web/unknown_service', type: 'service', labels: {}, nameless: true })
    expect(reported({ ...pod, 'k8s.statefulset.name': 'api' }, 'traces')).toMatchObject({ urn: 'urn:k8s:svc:web/api', nameless: false })
    expect(reported({ ...pod, 'k8s.container.name': 'api' }, 'logs')).toEqual({
      urn: 'urn:k8s:svc:web/api',
      type: 'service',
      labels: {},
      nameless: false,
    })
    expect(reported(pod, 'logs')).toMatchObject({ urn: 'urn:host:n-1', type: 'host', nameless: false })
  })
})
