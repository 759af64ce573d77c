import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'

/**
 * Unpacks the files of a `.tar.gz` into a folder, as they come.
 *
 * @throws Error when a file of the archive would lie outside the folder.
 */
export async function unpack(archive: string, folder: string): Promise<void> {
  const entries = extract()
  const reading = pipeline(createReadStream(archive), createGunzip(), entries)
  for await (const entry of entries) {
    const name = normalize(entry.header.name)
    if (entry.header.type !== 'file') {
      entry.resume()
      continue
    }
    const path = join(folder, name)
    if (name.startsWith('..') || !path.startsWith(folder)) throw new Error(`${archive} has a file outside of it: ${name}`)
    await mkdir(dirname(path), { recursive: true })
    await pipeline(entry, createWriteStream(path))
  }
  await reading
}
