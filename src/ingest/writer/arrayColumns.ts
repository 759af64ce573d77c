import { encodeHistogram, type ExponentialHistogram } from '../../sketch/exponentialHistogram.ts'

/**
 * Columns go to the server as PostgreSQL's arrays: it reads them faster than rows in JSON, and
 * statements with one parameter for each value have room for few rows.
 */
export const arrayText = (elements: readonly (string | number)[]): string => `{${elements.join(',')}}`

/** A number as JSON has it: NaN and the infinite ones are null. */
export const finite = (value: number | null): string => (Number.isFinite(value) ? String(value) : 'null')

/**
 * A column of histograms: all of them in one value, one after the other, since arrays of `bytea`
 * would need them as text.
 */
export class HistogramColumn {
  readonly #histograms: Buffer[] = []
  #bytes = 0
  readonly #from: string[] = []
  readonly #length: string[] = []

  get bytes(): number {
    return this.#bytes
  }

  add(histogram: ExponentialHistogram | null): void {
    const bytes = histogram && encodeHistogram(histogram)
    this.#from.push(bytes === null ? 'null' : String(this.#bytes + 1))
    this.#length.push(bytes === null ? 'null' : String(bytes.length))
    if (bytes === null) return
    this.#histograms.push(bytes)
    this.#bytes += bytes.length
  }

  column(): StoredHistograms {
    return { bytes: Buffer.concat(this.#histograms), from: arrayText(this.#from), length: arrayText(this.#length) }
  }
}

export interface StoredHistograms {
  bytes: Buffer
  /** Where the histogram of each row begins, from 1; null without one. */
  from: string
  length: string
}
