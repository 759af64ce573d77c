import { mergeResources, type TelemetryResource } from '../../records/telemetryResource.ts'
import { LocatorTally } from './locatorTally.ts'

/** A window that still takes records: what it knows whatever the signal. */
export class OpenWindow {
  /** Its start, in milliseconds. */
  readonly from: number
  readonly locators = new LocatorTally()
  readonly #resources = new Map<string, TelemetryResource>()

  constructor(from: number) {
    this.from = from
  }

  /** Notes that a row of this window may refer to a resource. */
  mention(resource: TelemetryResource): void {
    const known = this.#resources.get(resource.urn)
    if (known !== resource) this.#resources.set(resource.urn, known === undefined ? resource : mergeResources(known, resource))
  }

  /** The resources that were mentioned, in the order of their URNs. */
  resources(): TelemetryResource[] {
    return [...this.#resources.values()].sort((a, b) => (a.urn < b.urn ? -1 : 1))
  }
}
