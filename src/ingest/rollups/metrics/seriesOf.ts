import { hash } from 'node:crypto'
import { storable } from '../../../logs/pattern.ts'
import type { OtlpMetric } from '../../../schema/otlp.ts'
import type { KeyValue } from '../../../schema/otlpValues.ts'
import type { MetricForm, MetricKind } from '../../records/metricForm.ts'
import type { ReportingResource } from '../../records/reportingResource.ts'
import { pointLabels } from '../../records/seriesLabels.ts'
import type { MetricSeries } from './metricSeries.ts'

/** All that distinguishes the series of a metric, but the attributes of its points. */
export interface MetricOrigin {
  reporter: ReportingResource
  scope: { name?: string | null; version?: string | null } | null | undefined
  metric: OtlpMetric
  kind: MetricKind
  form: MetricForm
}

/** Finds the series of points. */
export interface SeriesOf {
  (attributes: readonly KeyValue[]): MetricSeries
}

/**
 * The series that points of a metric belong to.
 *
 * Its id is a hash of everything that distinguishes series, as JSON. Points with the same frozen
 * attributes have the same series again, without a hash.
 */
export function seriesOf(origin: MetricOrigin): SeriesOf {
  const { reporter, scope, metric, kind, form } = origin
  const name = storable(metric.name)
  const unit = metric.unit ? storable(metric.unit) : null
  const path = [reporter, scope?.name ?? '', scope?.version ?? '', name, unit, kind, form]
  const known = path.reduce<Branch>((branch, step) => branchOf(branch, step), root)
  let identity: string | undefined
  const made = (attributes: readonly KeyValue[]): MetricSeries => {
    const { urn } = reporter.resource
    const labels = pointLabels(attributes, reporter.seriesLabels)
    identity ??= JSON.stringify([reporter.identity, scope?.name ?? '', scope?.version ?? ''])
    // Half of the digest is enough, and takes half the space in the journal.
    const id = hash('sha256', JSON.stringify([urn, identity, name, unit, kind, form, labels]), 'base64').slice(0, 22)
    return { id, resource: urn, metric: name, unit: kind === 'counter' ? `${unit ?? ''}/s` : unit, kind, form, labels }
  }
  return (attributes) => {
    let series = known.series.get(attributes)
    if (series !== undefined) return series
    series = made(attributes)
    if (Object.isFrozen(attributes)) {
      known.series.set(attributes, series)
      remembered += 1
    }
    return series
  }
}

/** What is known under a step of the path to a metric. */
interface Branch {
  readonly branches: Map<unknown, Branch>
  /** Weak, since what is known elsewhere of attributes is bounded, and attributes may be large. */
  readonly series: WeakMap<readonly KeyValue[], MetricSeries>
}

const newBranch = (): Branch => ({ branches: new Map(), series: new WeakMap() })

/** When this number of branches and series is remembered, all are forgotten. */
const mostRemembered = 50_000
let remembered = 0
let root = newBranch()

function branchOf(branch: Branch, step: unknown): Branch {
  let next = branch.branches.get(step)
  if (next !== undefined) return next
  if (++remembered > mostRemembered) {
    remembered = 0
    root = newBranch()
  }
  branch.branches.set(step, (next = newBranch()))
  return next
}
