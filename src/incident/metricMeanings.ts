import { z } from 'zod'
import { boundedText } from '../schema/text.ts'

/**
 * What a metric says of the resource that has it:
 *
 * - `latency`: how long its answers took; more is worse. Weighed by the requests a point is of (its
 *   `sample_count`). Points whose labels name an `error.type` or a status of 5xx tell of failures
 *   beside.
 * - `availability`: the share of its answers that were good, 0..1 (or percent, where the unit is
 *   `%`); less is worse.
 * - `error_ratio`: the share that was not.
 * - `cpu`: how busy its processors are, or what runs on them alone (an event loop), in any unit;
 *   more is worse.
 * - `saturation`: how much else that is finite is used up, or waits for it (memory, disk,
 *   connections, queues), in any unit; more is worse.
 */
export const metricMeanings = ['latency', 'availability', 'error_ratio', 'cpu', 'saturation'] as const
export type MetricMeaning = (typeof metricMeanings)[number]

/** What a metric means, as the caller says. */
export interface MeaningOfMetric {
  /** The metric's name. */
  metric: string
  means: MetricMeaning
}

/**
 * The metrics of OpenTelemetry's semantic conventions that tell a resource's own state, older names
 * of theirs included.
 */
const conventional: Readonly<Record<MetricMeaning, readonly string[]>> = {
  latency: [
    'http.server.request.duration',
    'http.server.duration',
    'rpc.server.call.duration',
    'rpc.server.duration',
    'messaging.process.duration',
    'faas.invoke_duration',
  ],
  // The conventions name no ratio: they count, and leave it to who reads to divide.
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
  ],
}

/**
 * Of these label sets more is better, or means nothing: CPU that idles, memory and disk that are
 * free.
 */
export const spareStates = ['idle', 'free', 'cached', 'buffered'] as const

export const givenMeanings = z.array(z.strictObject({ metric: boundedText(255), means: z.enum(metricMeanings) }))

/**
 * The metrics that count, and what they mean: those of the conventions, and what the caller says,
 * which wins.
 */
export function meaningOfMetrics(given: readonly MeaningOfMetric[]): ReadonlyMap<string, MetricMeaning> {
  const known = metricMeanings.flatMap((means) => conventional[means].map((metric) => [metric, means] as const))
  return new Map([...known, ...given.map(({ metric, means }) => [metric, means] as const)])
}
