import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { hll } from '../../../bench/hll.ts'
import { Hll, hashBigint, hashBytes } from '../../../src/sketch/index.ts'

let folder: string
let problems: string[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgvantage-hll-'))
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  problems = []
  vi.spyOn(console, 'error').mockImplementation((line: string) => void problems.push(line))
  await rm(folder, { recursive: true })
  await mkdir(join(folder, 'deep', 'down'), { recursive: true })
})

const write = (name: string, ...lines: string[]) => writeFile(join(folder, 'deep', 'down', name), lines.map((line) => `${line}\n`).join(''))

async function figures() {
  const found: Record<string, number> = {}
  for await (const { figure, value } of hll({ data: folder })) found[figure.replace('hll.', '')] = value
  return found
}

const text = (sketch: Hll) => sketch.toString().replace(/[a-f0-9]/g, (digit) => digit.toUpperCase())
const row = (sketch: Hll) => `${sketch.cardinality()},${text(sketch)}`

it('runs the vectors of adds, each on top of those before', async () => {
  const sketch = Hll.create({ log2m: 4, expthresh: 1 })
  const rows = [1n, 2n, -3n].map((hash) => {
    sketch.addHash(hash)
    return `${sketch.cardinality()},${hash},${text(sketch)}`
  })
  await write('cumulative_add_some.csv', 'cardinality,raw_value,multiset', '0,0,\\x118441', ...rows)
  expect(await figures()).toEqual({ files: 1, 'vectors.passed': 4, 'vectors.failed': 0 })
})

it('runs the vectors of unions, whether what they store is sparse or not', async () => {
  const [a, b] = [1n, 5_000n].map((hash) => Hll.create({ log2m: 4, expthresh: 0 }).addHash(hash)) as [Hll, Hll]
  const full = `\\x148440${Buffer.from(
    Hll.fromBytes(Hll.create({ log2m: 4, expthresh: 0, sparseon: 0 }).addHash(1n).toBytes())
      .toBytes()
      .subarray(3),
  ).toString('hex')}`
  await write(
    'cumulative_union_some.csv',
    'cardinality,multiset,union_cardinality,union_multiset',
    `${a.cardinality()},${full},${row(a)}`,
    `${row(b)},${row(a.union(b))}`,
  )
  expect(await figures()).toEqual({ files: 1, 'vectors.passed': 2, 'vectors.failed': 0 })
})

it('runs the vectors of hashes, with their seeds', async () => {
  await write('murmur_bigint.csv', 'seed,pre,post', `7,-5,${hashBigint(-5, 7)}`, `0,-5,${hashBigint(-5)}`)
  await write(
    'murmur_bytea.csv',
    'seed,pre,post',
    `0,\\x,${hashBytes(new Uint8Array())}`,
    `9,\\x00ff,${hashBytes(Uint8Array.of(0, 255), 9)}`,
  )
  expect(await figures()).toEqual({ files: 2, 'vectors.passed': 4, 'vectors.failed': 0 })
})

it('runs those of js-hll, and leaves other files alone', async () => {
  const sketch = Hll.create({ log2m: 4, expthresh: 0 }).addHash(17n).addHash(50n)
  await write('test_data_v1.csv', 'bytea,registers,cardinality', `${text(sketch)}|[${sketch.registers().join()}]|2`)
  await write('other.csv', 'a,b', '1,2')
  expect(await figures()).toEqual({ files: 1, 'vectors.passed': 0, 'vectors.failed': 1 })
  expect(problems).toEqual([expect.stringMatching(/^deep\/down\/test_data_v1.csv:2: the cardinality is 2\.1\d+, not 2$/)])
  await write('test_data_v1.csv', 'bytea,registers,cardinality', `${text(sketch)}|[${sketch.registers().join()}]|${sketch.cardinality()}`)
  expect(await figures()).toEqual({ files: 1, 'vectors.passed': 1, 'vectors.failed': 0 })
})

it('names each vector that fails, and why', async () => {
  await write('murmur_bigint.csv', 'seed,pre,post', '0,5,1', '0,,1', '0,5')
  await write('murmur_point.csv', 'seed,pre,post', '0,5,1')
  await write('cumulative_add_none.csv', 'cardinality,raw_value,multiset')
  await write(
    'cumulative_union_bad.csv',
    'cardinality,multiset,union_cardinality,union_multiset',
    '0,\\x118b7f,0,\\x118b',
    '0,\\x118b7f,1,\\x118b7f',
  )
  expect(await figures()).toEqual({ files: 4, 'vectors.passed': 0, 'vectors.failed': 7 })
  expect(problems).toEqual([
    'deep/down/cumulative_add_none.csv: has no rows',
    'deep/down/cumulative_union_bad.csv:2: bytes: at byte 2: a sketch has at least 3 bytes, not 2',
    'deep/down/cumulative_union_bad.csv:3: the cardinality is 0, not 1',
    'deep/down/murmur_bigint.csv:2: the hash is 5820834854664223012, not 1'.replace('5820834854664223012', String(hashBigint(5))),
    expect.stringContaining('deep/down/murmur_bigint.csv:3: the hash is'),
    'deep/down/murmur_bigint.csv:4: a cell is missing',
    'deep/down/murmur_point.csv:2: there is no hash of point',
  ])
})

it('says where there is nothing to run', async () => {
  await expect(figures()).rejects.toThrow('there is no file of vectors below')
  await expect(hll({}).next()).rejects.toThrow('--data DIR is missing')
})
