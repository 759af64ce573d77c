import { glob, open, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Hll, hashBigint, hashBoolean, hashBytes, hashInteger, hashSmallint, hashText } from '../src/sketch/index.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { csvRecords } from './csv.ts'

/**
 * The conformance vectors of other implementations, from every file anywhere below the folder: postgresql-hll's `cumulative_add_*.csv`,
 * `cumulative_union_*.csv` and `murmur_*.csv`, and js-hll's, which are known by their heading `bytea,registers,cardinality`.
 *
 * A row is one vector. It passes where the registers are exactly those of the row (the values, while they are kept as they are; how they are stored
 * depends on a setting of who wrote them) and the cardinality is that of the row to 12 digits, in js-hll's files within 1 %, for there it is rounded.
 * Each row that fails is named on stderr, and so is a file whose name promises vectors and that has none.
 */
export async function* hll({ data }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined)
    throw new Error('hll: --data DIR is missing: a folder with files cumulative_add_*, cumulative_union_*, murmur_* or of js-hll')
  let [files, passed, failed] = [0, 0, 0]
  const names = new Set<string>()
  for await (const name of glob(['**/cumulative_{add,union}_*', '**/murmur_*', '**/*.csv'], { cwd: data })) names.add(name)
  for (const name of [...names].toSorted()) {
    const check = checkFor(basename(name), await headOf(join(data, name)))
    if (check === undefined) continue
    files += 1
    const [, ...records] = linesOf(await readFile(join(data, name), 'utf8'))
    if (records.length === 0) {
      failed += 1
      console.error(`${name}: has no rows`)
    }
    for (const [at, record] of records.entries()) {
      const problem = problemOf(() => check(record))
      if (problem === undefined) passed += 1
      else {
        failed += 1
        console.error(`${name}:${at + 2}: ${problem}`)
      }
    }
  }
  if (files === 0) throw new Error(`hll: there is no file of vectors below ${data}`)
  yield { figure: 'hll.files', value: files, unit: 'files' }
  yield { figure: 'hll.vectors.passed', value: passed, unit: 'vectors' }
  yield { figure: 'hll.vectors.failed', value: failed, unit: 'vectors' }
}

/** What is wrong with a row; undefined where nothing is. */
type Check = (record: readonly string[]) => string | undefined

/** Rows of a file build upon each other, so each file has a check of its own. */
function checkFor(name: string, head: string): Check | undefined {
  if (name.startsWith('cumulative_add_')) return cumulativeAdd()
  if (name.startsWith('cumulative_union_')) return cumulativeUnion()
  if (name.startsWith('murmur_')) return murmur(name)
  return /^bytea[,|]registers[,|]cardinality\s/.test(head) ? registersAndCardinality : undefined
}

/** How a file begins: a folder of data has files that are better not read to the end for that. */
async function headOf(path: string): Promise<string> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64)
  return buffer.toString('utf8', 0, bytesRead)
}

/** `cardinality,raw_value,multiset`: the first row is what all begins with, every other one adds a hash. */
function cumulativeAdd(): Check {
  let sketch: Hll | undefined
  return ([cardinality, hash, multiset]) => {
    const expected = Hll.fromString(wanted(multiset))
    sketch = sketch === undefined ? expected.copy() : sketch.addHash(BigInt(wanted(hash)))
    return difference(sketch, expected, wanted(cardinality))
  }
}

/** `cardinality,multiset,union_cardinality,union_multiset`: every row is united with all before it. */
function cumulativeUnion(): Check {
  let sketch: Hll | undefined
  return ([cardinality, multiset, unionCardinality, unionMultiset]) => {
    const [one, expected] = [Hll.fromString(wanted(multiset)), Hll.fromString(wanted(unionMultiset))]
    sketch = sketch === undefined ? one.copy() : sketch.union(one)
    return cardinalityDifference(one, wanted(cardinality)) ?? difference(sketch, expected, wanted(unionCardinality))
  }
}

/** `seed,pre_hash,post_hash`, the type in the file's name. */
function murmur(name: string): Check {
  const type = /^murmur_([a-z]+)/.exec(name)?.[1] ?? ''
  const hashOf = hashesOf.get(type)
  if (hashOf === undefined) return () => `there is no hash of ${type}`
  return ([seed, value, expected]) => {
    const hash = hashOf(value ?? '', Number(wanted(seed)))
    return hash === BigInt(wanted(expected)) ? undefined : `the hash is ${hash}, not ${expected}`
  }
}

const hashesOf: ReadonlyMap<string, (value: string, seed: number) => bigint> = new Map([
  ['bigint', (value, seed) => hashBigint(BigInt(value), seed)],
  ['integer', (value, seed) => hashInteger(BigInt(value), seed)],
  ['smallint', (value, seed) => hashSmallint(BigInt(value), seed)],
  ['boolean', (value, seed) => hashBoolean(value === 't' || value === 'true', seed)],
  ['bytea', (value, seed) => hashBytes(Buffer.from(value.replace(/^\\x/, ''), 'hex'), seed)],
  ['text', hashText],
])

/** `bytea|registers|cardinality`. */
const registersAndCardinality: Check = ([bytes, registers, cardinality]) => {
  const sketch = Hll.fromString(wanted(bytes))
  const expected = wanted(registers)
    .replace(/^[[{]|[\]}]$/g, '')
    .split(',')
    .map(Number)
  const off = Math.abs(sketch.cardinality() / Number(wanted(cardinality)) - 1)
  return (
    registerDifference(sketch.registers(), expected) ??
    (off <= 0.01 ? undefined : `the cardinality is ${sketch.cardinality()}, not ${cardinality}`)
  )
}

function difference(sketch: Hll, expected: Hll, cardinality: string): string | undefined {
  const kinds = [sketch, expected].map(({ representation }) =>
    representation === 'sparse' || representation === 'full' ? 'registers' : representation,
  )
  if (kinds[0] !== kinds[1]) return `the sketch is ${sketch.representation}, not ${expected.representation}`
  return (
    registerDifference(sketch.registers(), expected.registers()) ??
    // What is left to differ are values that are kept as they are.
    (sketch.toString() === expected.toString() ? undefined : `the sketch is ${sketch.toString()}, not ${expected.toString()}`) ??
    cardinalityDifference(sketch, cardinality)
  )
}

function registerDifference(registers: Uint8Array, expected: ArrayLike<number>): string | undefined {
  if (registers.length !== expected.length) return `there are ${registers.length} registers, not ${expected.length}`
  const at = registers.findIndex((value, index) => value !== expected[index])
  return at === -1 ? undefined : `register ${at} is ${registers[at]}, not ${expected[at]}`
}

/** The file's doubles are of a server that wrote 15 digits or more, and of a C library of its own. */
function cardinalityDifference(sketch: Hll, cardinality: string): string | undefined {
  const [ours, theirs] = [sketch.cardinality(), Number(cardinality)]
  return Math.abs(ours - theirs) <= 1e-12 * theirs ? undefined : `the cardinality is ${ours}, not ${cardinality}`
}

function wanted(cell: string | undefined): string {
  if (cell === undefined || cell.trim() === '') throw new Error('a cell is missing')
  return cell.trim()
}

function problemOf(check: () => string | undefined): string | undefined {
  try {
    return check()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The records of a file: fields between commas or, where the line has any, between bars. */
const linesOf = (text: string): string[][] =>
  text.includes('|')
    ? text
        .split(/\r?\n/)
        .filter((line) => line.trim() !== '')
        .map((line) => line.split(line.includes('|') ? '|' : ','))
    : [...csvRecords(text)]
