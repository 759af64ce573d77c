import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { seededRandom } from '../src/graph/analysis/seededRandom.ts'

/** Embeddings to search, and some that are searched for, which are not among them. */
export interface VectorSet {
  name: string
  dimension: number
  distance: 'l2' | 'cosine'
  vectors: AsyncIterable<Float32Array> | Iterable<Float32Array>
  questions: Float32Array[]
}

const asked = 100

/**
 * The sets in a folder: of each table `*.tsv`, a row a vector, measured by `l2`; and of each folder with `embeddings.bin` (float32) and
 * `metadata.json` (`dimensions`), measured by `cosine`. Every n-th vector is a question, so that there are a hundred.
 */
export async function* vectorSets(folder: string): AsyncGenerator<VectorSet> {
  for (const entry of (await readdir(folder, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield parted(entry.name, 'cosine', await readEmbeddings(path))
    else if (entry.name.endsWith('.tsv')) yield parted(entry.name.slice(0, -'.tsv'.length), 'l2', await readTable(path))
  }
}

function parted(name: string, distance: VectorSet['distance'], all: Float32Array[]): VectorSet {
  const every = Math.max(2, Math.floor(all.length / asked))
  const isQuestion = (at: number) => at % every === 0
  return {
    name,
    dimension: all[0]!.length,
    distance,
    vectors: all.filter((_, at) => !isQuestion(at)),
    questions: all.filter((_, at) => isQuestion(at)),
  }
}

async function readTable(path: string): Promise<Float32Array[]> {
  const rows: Float32Array[] = []
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line !== '') rows.push(Float32Array.from(line.trimEnd().split('\t'), Number))
  }
  return rows
}

async function readEmbeddings(folder: string): Promise<Float32Array[]> {
  const { dimensions } = JSON.parse(await readFile(join(folder, 'metadata.json'), 'utf8')) as { dimensions: number }
  const bytes = await readFile(join(folder, 'embeddings.bin'))
  const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  return Array.from({ length: numbers.length / dimensions }, (_, at) => numbers.subarray(at * dimensions, (at + 1) * dimensions))
}

/**
 * Vectors that are made up, always the same ones. Embeddings of texts vary in far fewer directions than they have numbers: so these are mixtures
 * of 32 directions, with a little of everything else.
 */
export function generatedVectors(rows: number, dimension: number): VectorSet {
  const random = seededRandom(7)
  const directions = Array.from({ length: 32 }, () => Float32Array.from({ length: dimension }, () => normal(random)))
  const draw = () => {
    const vector = Float32Array.from({ length: dimension }, () => 0.6 * normal(random))
    for (const direction of directions) {
      const share = normal(random)
      for (let at = 0; at < dimension; at += 1) vector[at]! += share * direction[at]!
    }
    return vector
  }
  const questions = Array.from({ length: asked }, draw)
  const drawn = function* () {
    for (let row = 0; row < rows; row += 1) yield draw()
  }
  return { name: 'generated', dimension, distance: 'cosine', vectors: drawn(), questions }
}

/** A normally distributed number (Box and Muller). */
const normal = (random: () => number) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
