import { createHash } from 'node:crypto'
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export type Embed = (texts: readonly string[]) => Promise<number[][]>

const hashBytes = 32
/** At most this number of texts is lost when a run is interrupted. */
const batch = 512

/**
 * The same embeddings, each made once: kept in a file, as the hash of the text and then the numbers
 * in single precision. What an interrupted run left unfinished at its end is made again.
 */
export async function cachedEmbed(embed: Embed, { file, dimension }: { file: string; dimension: number }): Promise<Embed> {
  const record = hashBytes + 4 * dimension
  await mkdir(dirname(file), { recursive: true })
  const bytes = await readFile(file).catch(() => Buffer.alloc(0))
  const known = new Map<string, number[]>()
  for (let at = 0; at + record <= bytes.length; at += record)
    known.set(bytes.toString('hex', at, at + hashBytes), numbersAt(bytes, at + hashBytes, dimension))
  // An unfinished record would put all after it out of step.
  if (bytes.length % record !== 0) await appendFile(file, Buffer.alloc(record - (bytes.length % record)))
  return async (texts) => {
    const keys = texts.map(keyOf)
    const missing = [...new Map(keys.map((key, index) => [key, texts[index]!])).entries()].filter(([key]) => !known.has(key))
    for (let at = 0; at < missing.length; at += batch) {
      const some = missing.slice(at, at + batch)
      const made = await embed(some.map(([, text]) => text))
      const records = some.map(([key], index) => Buffer.concat([Buffer.from(key, 'hex'), bytesOf(made[index]!)]))
      await appendFile(file, Buffer.concat(records))
      some.forEach(([key], index) => known.set(key, numbersAt(records[index]!, hashBytes, dimension)))
    }
    return keys.map((key) => known.get(key)!)
  }
}

const keyOf = (text: string) => createHash('sha256').update(text).digest('hex')
const bytesOf = (numbers: readonly number[]) => Buffer.from(new Float32Array(numbers).buffer)
const numbersAt = (bytes: Buffer, at: number, count: number) =>
  Array.from({ length: count }, (_, index) => bytes.readFloatLE(at + 4 * index))
