/** What the command's exit code says to a deploy pipeline. */
export const exitCode = {
  ok: 0,
  /** Something failed: the server, a statement, a file. What was begun was rolled back. */
  failed: 1,
  /** The command line or a value in it is wrong; nothing was done. */
  usage: 2,
  /**
   * The command did its work and found something: `doctor` an error, `ingest` nothing that it can
   * read, `ingest --strict` anything that it cannot, `maintain` what the server refuses.
   */
  findings: 3,
  /** Ended by Ctrl-C or SIGTERM. What was begun was rolled back. */
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]
