/** One measured number. */
export interface Figure {
  /** `load.speedup`: the benchmark, then what was measured. */
  figure: string
  value: number
  /** `s`, `MB`, `x` (a ratio), `rows/s`. */
  unit: string
}

export interface BenchmarkOptions {
  /** A folder of data to measure with. */
  data?: string
  /** The server to measure on; an embedded PostgreSQL where there is none. */
  url?: string
  /** How many rows to measure over, where the benchmark makes them up; its own number where it is left out. */
  rows?: number | undefined
}

/** Measures, and gives each figure as soon as it is known. */
export type Benchmark = (options: BenchmarkOptions) => AsyncIterable<Figure>
