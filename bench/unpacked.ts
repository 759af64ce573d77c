import { createReadStream, createWriteStream, mkdirSync } from 'node:fs'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract, type Extract } from 'tar-stream'

/**
 * Unpacks the files of a `.tar.gz` into a folder, as they come.
 *
 * @throws Error when a file of the archive would lie outside the folder.
 */
export async function unpack(archive: string, folder: string): Promise<void> {
  const entries = extract()
  const [written, read] = await Promise.allSettled([
    writeFiles(entries, folder),
    pipeline(createReadStream(archive), createGunzip(), entries),
  ])
  if (written.status === 'rejected') throw written.reason
  if (read.status === 'rejected') throw read.reason
}

async function writeFiles(entries: Extract, folder: string): Promise<void> {
  for await (const entry of entries) {
    const name = normalize(entry.header.name)
    if (entry.header.type !== 'file') {
      entry.resume()
      continue
    }
    if (isAbsolute(name) || name.startsWith('..')) throw new Error(`the archive has a file outside of it: ${name}`)
    const path = join(folder, name)
    // Not awaited: an entry that ends with an error in between would be waited for without end.
    mkdirSync(dirname(path), { recursive: true })
    await pipeline(entry, createWriteStream(path))
  }
}
