import { callPolicy } from '../../calls/callPolicy.ts'
import { eventPolicy, type EventPolicy } from '../../events/eventPolicy.ts'
import type { TimePolicy } from '../../lifecycle/timePolicy.ts'
import { sketchPolicy } from '../../cardinality/sketchPolicy.ts'
import { patternPolicy } from '../../logs/patternPolicy.ts'
import { metricPolicy } from '../../metrics/metricPolicy.ts'

/**
 * The policies for all data that grows, by age; the same for every server.
 *
 * @example
 * const policies: Policies = policiesWith({ metric_1m: { retain: '90 days' } })
 */
export interface Policies {
  /** One for each rollup table. A table without one keeps all rows, uncompressed. */
  readonly time: readonly TimePolicy[]
  /**
   * For events, their evidence and the locators both refer to; if absent, they are kept for ever.
   */
  readonly events?: EventPolicy
}

/**
 * The policies that the rooms declare: `metric_1m` 180 days, `service_call_5m` 365,
 * `log_pattern_5m` 180, `sketch_5m` 365, each by the hour and by the day for longer.
 */
export const defaultPolicies: Policies = { time: [metricPolicy, callPolicy, patternPolicy, sketchPolicy], events: eventPolicy }
