import type { SourceObject } from '../../sources/otlpRequest.ts'
import { getOrCreate } from '../metrics/getOrCreate.ts'
import { windowMilliseconds, type Locator } from './ingestWindow.ts'

export type Dataset = Locator['dataset']

/** The kinds of telemetry. */
export const datasets = ['traces', 'metrics', 'logs'] as const satisfies readonly Dataset[]

/** The index of a source object's locator in the window's list. */
export type LocatorIndex = (dataset: Dataset, origin: SourceObject) => number

interface Place {
  readonly dataset: Dataset
  readonly origin: SourceObject
  first: number
  last: number
}

/** Remembers, for one window, the lines of source objects that contain its records. */
export class LocatorTally {
  readonly #places = new Map<string, Place>()
  /** Most records come from the object of the one before. */
  #latest: Place | undefined

  add(dataset: Dataset, origin: SourceObject, line: number): void {
    let place = this.#latest
    if (place?.origin !== origin || place.dataset !== dataset) {
      place = getOrCreate(this.#places, placeKey(dataset, origin), () => ({ dataset, origin, first: line, last: line }))
      this.#latest = place
    }
    place.first = Math.min(place.first, line)
    place.last = Math.max(place.last, line)
  }

  /** The locations of a dataset's records. */
  *places(dataset: Dataset): Generator<{ origin: SourceObject; first: number; last: number }> {
    for (const { dataset: of, ...place } of this.#places.values()) if (of === dataset) yield place
  }

  /** Adds the locations of another tally. */
  merge(other: LocatorTally): void {
    for (const { dataset, origin, first, last } of other.#places.values()) {
      this.add(dataset, origin, first)
      this.add(dataset, origin, last)
    }
  }

  /** The locators in order, and the index of each source object's locator. */
  locators(from: number): { locators: Locator[]; indexOf: LocatorIndex } {
    const keys = [...this.#places.keys()].sort()
    const locators = keys.map((key): Locator => {
      const { dataset, origin, first, last } = this.#places.get(key)!
      return {
        dataset,
        objectBucket: origin.objectBucket,
        objectKey: origin.objectKey,
        tFrom: new Date(from),
        tTo: new Date(from + windowMilliseconds),
        queryHint: 'first_line and last_line are lines of the object; of protobuf, numbers of its messages',
        attributes: { first_line: first, last_line: last },
      }
    })
    const indices = new Map(keys.map((key, index) => [key, index]))
    return { locators, indexOf: (dataset, origin) => indices.get(placeKey(dataset, origin))! }
  }
}

const placeKey = (dataset: Dataset, origin: SourceObject) => `${dataset}\0${origin.objectBucket}\0${origin.objectKey}`

/**
 * The smaller of two source objects in the order of locators, so that the locator of a row does not
 * depend on the order of arrival.
 */
export const earlierOrigin = (a: SourceObject, b: SourceObject): SourceObject =>
  a === b || placeKey('traces', a) <= placeKey('traces', b) ? a : b
