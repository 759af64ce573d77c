/** The streams and the environment a command runs with. */
export interface Surroundings {
  env: NodeJS.ProcessEnv
  /** What is read as the file `-`. */
  input: AsyncIterable<Uint8Array | string>
  out: (text: string) => void
  err: (text: string) => void
  /** Whether a person watches: then there are progress bars on stderr. */
  interactive: boolean
  /** How many columns tables and texts may take. */
  columns: number
  signal: AbortSignal
}
