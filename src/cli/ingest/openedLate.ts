/** Bytes under the name that faults are reported by. */
export interface NamedBytes extends AsyncIterable<string | Uint8Array> {
  readonly path: string
}

/**
 * A file that is opened when its first byte is wanted and closed behind its last, so that there may
 * be more files than a process may have open.
 *
 * @param onBytes told how many bytes have been read each time.
 */
export const openedLate = (path: string, open: () => AsyncIterable<string | Uint8Array>, onBytes: (bytes: number) => void): NamedBytes => ({
  path,
  async *[Symbol.asyncIterator]() {
    for await (const chunk of open()) {
      onBytes(chunk.length)
      yield chunk
    }
  },
})
