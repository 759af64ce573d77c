import type { SourceObject } from '../sources/otlpRequest.ts'
import type { Locator } from './rollupWindow.ts'
import { windowMilliseconds } from './rollupWindow.ts'

export type Dataset = Locator['dataset']

/** Remembers, for one window, in which lines of which source objects its records lie. */
export class LocatorTally {
  readonly #places = new Map<string, { dataset: Dataset; source: SourceObject; first: number; last: number }>()

  add(dataset: Dataset, source: SourceObject, line: number): void {
    const key = placeKey(dataset, source)
    const place = this.#places.get(key)
    if (place === undefined) this.#places.set(key, { dataset, source, first: line, last: line })
    else {
      place.first = Math.min(place.first, line)
      place.last = Math.max(place.last, line)
    }
  }

  /** The locators in order, and where in that order the one of a source object is. */
  locators(from: number): { locators: Locator[]; indexOf: (dataset: Dataset, source: SourceObject) => number } {
    const keys = [...this.#places.keys()].sort()
    const locators = keys.map((key): Locator => {
      const { dataset, source, first, last } = this.#places.get(key)!
      return {
        dataset,
        bucket: source.bucket,
        objectKey: source.objectKey,
        tFrom: new Date(from),
        tTo: new Date(from + windowMilliseconds),
        queryHint: 'OTLP/JSON, one export request a line; the lines are in the attributes',
        attributes: { first_line: first, last_line: last },
      }
    })
    const indices = new Map(keys.map((key, index) => [key, index]))
    return { locators, indexOf: (dataset, source) => indices.get(placeKey(dataset, source))! }
  }
}

const placeKey = (dataset: Dataset, source: SourceObject) => `${dataset}\0${source.bucket}\0${source.objectKey}`

/** The earlier of two source objects in the order of locators: which one of several is named must not depend on the order of arrival. */
export const earlierSource = (a: SourceObject, b: SourceObject): SourceObject => (placeKey('traces', a) <= placeKey('traces', b) ? a : b)
