import { sql, type Kysely } from 'kysely'
import type { Check, Finding } from '../../database/checks/check.ts'
import { schemaVersion, type Installation } from '../../database/installation/installation.ts'
import { foundVectorIndexes, unfinishedVectorIndex, vectorIndex, type FoundIndex } from './vectorIndex.ts'

/** Less waste than this is not reported. */
const worthAWord = 64 * 1024 * 1024

/** Checks that searches by embedding have a complete index of a suitable size. */
export const vectorIndexCheck: Check = {
  name: 'index of embeddings',
  async find({ db, installation, version }) {
    if (installation === null || version !== schemaVersion) return []
    const found = await foundVectorIndexes(db, installation)
    const index = found.find(({ name }) => name === vectorIndex)
    return [
      ...wholeness(index, installation),
      ...found.filter(({ name }) => name === unfinishedVectorIndex).map((left) => leftOver(left, installation)),
      ...(index?.valid === true ? sizeFindings(index, await sizesOf(db, installation), installation) : []),
    ]
  },
}

const build = ({ schema }: Installation) =>
  `in a program: await buildVectorIndex(db${schema === 'public' ? '' : `, { schema: ${JSON.stringify(schema)} }`}), from pgvantage/knowledge`

function wholeness(index: FoundIndex | undefined, installation: Installation): Finding[] {
  if (index?.valid === true) return []
  return [
    {
      severity: 'warning',
      code: index === undefined ? 'vector-index-missing' : 'vector-index-invalid',
      message: `the index ${vectorIndex} is ${index === undefined ? 'missing' : 'invalid, its build was interrupted'}: every search by embedding compares all chunks of the tenant`,
      remedy: build(installation),
    },
  ]
}

const leftOver = ({ bytes }: FoundIndex, installation: Installation): Finding => ({
  severity: 'info',
  code: 'vector-index-unfinished',
  message: `the index ${unfinishedVectorIndex} (${megabytes(bytes)}) is being built, or was left over when its build was killed`,
  remedy: `nothing while it is being built; otherwise ${build(installation)}, which removes it first`,
})

interface Sizes {
  /** The server's estimate; -1 if the table was never analyzed. */
  chunks: number
  pageBytes: number
  /** `effective_cache_size`. */
  cacheBytes: number
}

async function sizesOf(db: Kysely<{}>, { schema }: Installation): Promise<Sizes> {
  const { rows } = await sql<Sizes>`
    select class.reltuples::float8 as chunks, pg_catalog.current_setting('block_size')::float8 as "pageBytes",
      pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size'))::float8 as "cacheBytes"
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = ${schema} and class.relname = 'kb_chunk'
  `.execute(db)
  return rows[0]!
}

function sizeFindings(index: FoundIndex, { chunks, pageBytes, cacheBytes }: Sizes, installation: Installation): Finding[] {
  const needed = chunks < 0 ? Infinity : neededBytes(chunks, installation, index.m ?? 16, pageBytes)
  const findings: Finding[] = []
  if (index.bytes > worthAWord && index.bytes > 2 * needed) {
    findings.push({
      severity: 'warning',
      code: 'vector-index-bloated',
      message: `the index ${vectorIndex} has ${megabytes(index.bytes)}, and its chunks need about ${megabytes(needed)}: most of it is deleted entries, which searches still visit`,
      remedy: build(installation),
    })
  }
  if (index.bytes > cacheBytes) {
    findings.push({
      severity: 'warning',
      code: 'vector-index-large',
      message: `the index ${vectorIndex} (${megabytes(index.bytes)}) does not fit in the memory the server counts on (effective_cache_size, ${megabytes(cacheBytes)}): searches by embedding wait for the disk`,
      remedy: 'give the server more memory, or set effective_cache_size to what it has',
    })
  }
  return findings
}

/**
 * The size of a new index: an element is the vector and about 100 bytes; each of its neighbours is
 * 6 bytes, with 2 m neighbours, and m more on each higher level, which few elements have. An
 * element lies on one page.
 */
function neededBytes(chunks: number, { embeddingDimension, embeddingType }: Installation, m: number, pageBytes: number): number {
  const numberBytes = embeddingType === 'halfvec' || embeddingDimension > 2000 ? 2 : 4
  const element = embeddingDimension * numberBytes + 100 + 6 * 2.2 * m
  return (chunks / Math.max(1, Math.floor((pageBytes - 40) / element))) * pageBytes
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MB`
