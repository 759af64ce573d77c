import { z } from 'zod'
import { boundedText } from '../schema/text.ts'

/**
 * What a metric says about its resource:
 *
 * | | measures | worse | unit |
 * |---|---|---|---|
 * | `latency` | how long its answers took, weighted by the requests of a point (its `sample_count`). Points whose labels name an `error.type` or a 5xx status also count as failures | more | a time |
 * | `availability` | the share of its answers that were good | less | 0..1, or percent if the unit is `%` |
 * | `error_ratio` | the share that was not | more | as availability |
 * | `cpu` | how busy its processors are, or what runs only on them (an event loop) | more | any |
 * | `saturation` | how much of another finite resource is used or waited for (memory, disk, connections, queues) | more | any |
 */
export const metricMeanings = ['latency', 'availability', 'error_ratio', 'cpu', 'saturation'] as const
export type MetricMeaning = (typeof metricMeanings)[number]

/** The meaning of a metric, as the caller defines it. */
export interface MeaningOfMetric {
  /** The metric's name. */
  metric: string
  means: MetricMeaning
}

/**
 * The metrics that describe a resource's own state: those of OpenTelemetry's semantic conventions,
 * including older names, and those that Prometheus' exporters and client libraries share.
 */
const conventional: Readonly<Record<MetricMeaning, readonly string[]>> = {
  latency: [
    'http.server.request.duration',
    'http.server.duration',
    'rpc.server.call.duration',
    'rpc.server.duration',
    'messaging.process.duration',
    'faas.invoke_duration',
    'http_server_request_duration_seconds',
    'http_server_requests_seconds',
    'http_request_duration_seconds',
    'grpc_server_handling_seconds',
  ],
  // The conventions name no ratio: they count, and the reader divides.
  availability: [],
  error_ratio: [],
  cpu: [
    'process.cpu.utilization',
    'container.cpu.usage',
    'container.cpu.utilization',
    'k8s.container.cpu_limit_utilization',
    'k8s.pod.cpu.usage',
    'k8s.pod.cpu.utilization',
    'k8s.pod.cpu_limit_utilization',
    'k8s.node.cpu.usage',
    'k8s.node.cpu.utilization',
    'system.cpu.utilization',
    'system.cpu.load_average.1m',
    'jvm.cpu.recent_utilization',
    'nodejs.eventloop.utilization',
    'nodejs.eventloop.delay.p99',
    // Seconds of CPU: counters, whose rate is the number of processors.
    'process.cpu.time',
    'container.cpu.time',
    'k8s.pod.cpu.time',
    'k8s.node.cpu.time',
    'system.cpu.time',
    'jvm.cpu.time',
    'process_cpu_seconds_total',
    'container_cpu_usage_seconds_total',
    'node_cpu_seconds_total',
    'process_cpu_usage',
    'system_cpu_usage',
  ],
  saturation: [
    'process.memory.usage',
    'process.open_file_descriptor.count',
    'container.memory.usage',
    'container.memory.working_set',
    'k8s.container.memory_limit_utilization',
    'k8s.pod.memory.usage',
    'k8s.pod.memory.working_set',
    'k8s.pod.memory_limit_utilization',
    'k8s.node.memory.usage',
    'k8s.node.memory.working_set',
    'system.memory.utilization',
    'system.paging.utilization',
    'system.filesystem.utilization',
    'jvm.memory.used_after_last_gc',
    'jvm.gc.duration',
    'db.client.connection.pending_requests',
    'process_resident_memory_bytes',
    'process_open_fds',
    'container_memory_working_set_bytes',
    'container_memory_usage_bytes',
  ],
}

/** Label sets for which more is better or meaningless: idle CPU, free memory and disk. */
export const spareStates = ['idle', 'free', 'cached', 'buffered'] as const

export const givenMeanings = z.array(z.strictObject({ metric: boundedText(255), means: z.enum(metricMeanings) }))

/**
 * The metrics that count, and their meanings: those of the conventions and the caller's own, which
 * take precedence.
 */
export function meaningOfMetrics(given: readonly MeaningOfMetric[]): ReadonlyMap<string, MetricMeaning> {
  const known = metricMeanings.flatMap((means) => conventional[means].map((metric) => [metric, means] as const))
  return new Map([...known, ...given.map(({ metric, means }) => [metric, means] as const)])
}
