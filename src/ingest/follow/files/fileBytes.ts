import type { FileHandle } from 'node:fs/promises'
import { decompressed, isCompressed } from '../../sources/decompressed.ts'

/** The bytes of an open file, as they are read. */
export interface FileBytes {
  /** Whether they are what is inside gzip or zstd: such a file does not grow. */
  readonly isPacked: boolean
  /**
   * The bytes from a place on: fewer than `length` only where the file ends now.
   *
   * @throws DamagedError if compressed data is damaged or ends early.
   */
  read(from: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** The bytes of a file; if it is compressed, those inside. */
export async function bytesOf(file: FileHandle): Promise<FileBytes> {
  const plain = new PlainBytes(file)
  return isCompressed(await plain.read(0, 4)) ? new UnpackedBytes(plain) : plain
}

class PlainBytes implements FileBytes {
  readonly isPacked = false
  readonly #file: FileHandle

  constructor(file: FileHandle) {
    this.#file = file
  }

  async read(from: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await this.#file.read(buffer, filled, length - filled, from + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled === length ? buffer : buffer.subarray(0, filled)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

const pieceBytes = 256 * 1024

/** Reads on; a place that it has passed is found from the beginning. */
class UnpackedBytes implements FileBytes {
  readonly isPacked = true
  readonly #plain: PlainBytes
  #chunks: AsyncGenerator<Uint8Array> | undefined
  /** Where the bytes begin that are kept. */
  #from = 0
  #kept: Uint8Array[] = []
  #length = 0

  constructor(plain: PlainBytes) {
    this.#plain = plain
  }

  async read(from: number, length: number): Promise<Uint8Array> {
    if (this.#chunks === undefined || from < this.#from) await this.#begin()
    this.#forget(from)
    while (this.#from + this.#length < from + length) {
      const next = await this.#chunks!.next().catch(async (error: unknown) => {
        await this.#end()
        throw error
      })
      if (next.done) break
      this.#kept.push(next.value)
      this.#length += next.value.length
      this.#forget(from)
    }
    const begin = from - this.#from
    return Buffer.concat(this.#kept).subarray(begin, begin + length)
  }

  async close(): Promise<void> {
    await this.#end()
    await this.#plain.close()
  }

  async #begin(): Promise<void> {
    await this.#end()
    this.#chunks = decompressed(this.#packed())
  }

  async #end(): Promise<void> {
    await this.#chunks?.return(undefined)
    this.#chunks = undefined
    this.#from = 0
    this.#kept = []
    this.#length = 0
  }

  /** Drops what is before a place. */
  #forget(before: number): void {
    while (this.#kept.length > 0 && this.#from + this.#kept[0]!.length <= before) {
      const dropped = this.#kept.shift()!
      this.#from += dropped.length
      this.#length -= dropped.length
    }
  }

  async *#packed(): AsyncGenerator<Uint8Array> {
    for (let at = 0; ;) {
      const bytes = await this.#plain.read(at, pieceBytes)
      if (bytes.length === 0) return
      at += bytes.length
      yield bytes
    }
  }
}
