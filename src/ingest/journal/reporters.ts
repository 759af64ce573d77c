import { InvalidInputError } from '../../schema/errors.ts'
import type { KeyValue } from '../../schema/otlpValues.ts'
import { reportingResource, type ReportingResource } from '../records/reportingResource.ts'
import type { ResourceOf } from '../records/resourceOf.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'

type Known = WeakMap<readonly KeyValue[], Map<Dataset, ReportingResource | InvalidInputError>>

/** By the usual rules, of attributes that many requests share. */
const ofFrozen: Known = new WeakMap()

/**
 * The reporting resources of several requests. Each is computed once, even if the requests are read
 * again: a second, different answer must not move a record.
 */
export class Reporters {
  readonly #resourceOf: ResourceOf | undefined
  readonly #known: Known = new WeakMap()

  constructor(resourceOf?: ResourceOf) {
    this.#resourceOf = resourceOf
  }

  /**
   * The resource that attributes describe.
   *
   * @throws InvalidInputError if it cannot be stored; the errors of `resourceOf`.
   */
  of(attributes: readonly KeyValue[], dataset: Dataset): ReportingResource {
    const shared = this.#resourceOf === undefined && Object.isFrozen(attributes) ? ofFrozen : this.#known
    let known = shared.get(attributes)
    if (known === undefined) shared.set(attributes, (known = new Map()))
    const reporter = known.get(dataset) ?? this.#ask(attributes, dataset)
    known.set(dataset, reporter)
    if (reporter instanceof InvalidInputError) throw reporter
    return reporter
  }

  #ask(attributes: readonly KeyValue[], dataset: Dataset): ReportingResource | InvalidInputError {
    try {
      return reportingResource(attributes, dataset, this.#resourceOf)
    } catch (error) {
      if (error instanceof InvalidInputError) return error
      throw error
    }
  }
}
