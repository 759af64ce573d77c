import type { Writable } from 'node:stream'

/**
 * A reader of the output may stop, as `head` does: the rest is not written, and the exit code
 * stays that of the command. What cannot be written for another reason, such as a full disk, is an
 * error that `failed` is told.
 */
export function endQuietly(streams: readonly Writable[], failed: (error: Error) => void): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') failed(error)
    })
  }
}
