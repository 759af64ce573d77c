import { InvalidInputError } from '../../schema/errors.ts'
import type { KeyValue } from '../../schema/otlp.ts'
import { reportingResource, type ReportingResource } from '../records/reportingResource.ts'
import type { ResourceOf } from '../records/resourceOf.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'

/**
 * Who reports in some requests. Each is asked for once, however often the requests are read: where
 * a record goes must not depend on a second answer.
 */
export class Reporters {
  readonly #resourceOf: ResourceOf | undefined
  readonly #known = new WeakMap<readonly KeyValue[], Map<Dataset, ReportingResource | InvalidInputError>>()

  constructor(resourceOf?: ResourceOf) {
    this.#resourceOf = resourceOf
  }

  /**
   * The resource that attributes describe.
   *
   * @throws InvalidInputError when it cannot be stored; what `resourceOf` throws.
   */
  of(attributes: readonly KeyValue[], dataset: Dataset): ReportingResource {
    const known = this.#known.get(attributes) ?? new Map<Dataset, ReportingResource | InvalidInputError>()
    this.#known.set(attributes, known)
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
