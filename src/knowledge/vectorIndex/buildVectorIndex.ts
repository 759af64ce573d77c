import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import { capabilities } from '../../database/capabilities.ts'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { findInstallation, qualified, type Installation } from '../../database/installation/installation.ts'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { roleOfOwner } from '../../database/transaction/asOwner.ts'
import { patient, pinned, withSettings } from '../../database/transaction/settings.ts'
import { withShortLocks } from '../../lifecycle/partitions/shortLock.ts'
import { execute } from '../../lifecycle/statement.ts'
import { InvalidInputError, VantageError } from '../../schema/errors.ts'
import { parseOptions } from '../../schema/parse.ts'
import { foundVectorIndexes, unfinishedVectorIndex, vectorIndex } from './vectorIndex.ts'

export interface BuildVectorIndexOptions {
  /** Only needed if the database has several installations. */
  schema?: string
  /** How many neighbours a chunk is linked to, 2 to 100. Default: 16. */
  m?: number
  /**
   * The size of the candidate list while building, at least twice `m`, up to 1,000. Default: 64, or
   * twice `m` if that is more.
   */
  efConstruction?: number
  /**
   * The memory of the build (`maintenance_work_mem`), such as `'2GB'`. If the index does not fit in
   * it, the build is much slower. Default: the server's setting.
   */
  memory?: string
  /**
   * How many parallel workers help, 0 to 64 (`max_parallel_maintenance_workers`). Default: the
   * server's setting.
   */
  workers?: number
  /**
   * Stops the build; the existing index stays in use. If the pool has no second connection, or the
   * database is embedded, it can stop only before the build begins.
   */
  signal?: AbortSignal
  /**
   * Called about once a second, if the pool has a second connection, with the phase of the build
   * and the share that is done, 0..1.
   */
  onProgress?: (progress: VectorIndexProgress) => void
}

export interface VectorIndexProgress {
  /** The phase in `pg_stat_progress_create_index`. */
  phase: string
  /** 0..1; null if the server does not say. */
  share: number | null
}

export interface VectorIndexReport {
  /** Its size on disk. */
  bytes: number
  ms: number
}

const maxWidth = 1000

const buildOptions = schemaOption
  .extend({
    m: z.int().min(2).max(100).default(16),
    efConstruction: z.int().min(4).max(maxWidth).optional(),
    memory: z
      .string()
      .regex(/^[1-9][0-9]{0,8}(kB|MB|GB|TB)$/, "must be a number and a unit such as '2GB' (kB, MB, GB, TB)")
      .optional(),
    workers: z.int().min(0).max(64).optional(),
    signal: z.instanceof(AbortSignal).optional(),
    onProgress: z
      .custom<NonNullable<BuildVectorIndexOptions['onProgress']>>((value) => typeof value === 'function', 'must be a function')
      .optional(),
  })
  .refine(({ m, efConstruction = maxWidth }) => efConstruction >= 2 * m, { message: 'must be at least twice m', path: ['efConstruction'] })

/**
 * Builds the HNSW index on `kb_chunk` that searches by embedding use, and replaces the existing
 * one.
 *
 * `migrate up` makes an index. Use this if the index is missing, its build was interrupted, deleted
 * rows have bloated it, or you want another `m`. Searches and writers continue: the index is built
 * `concurrently` under another name and exchanged at the end, within 100 ms or not at all. If the
 * build fails or is interrupted, the old index stays in use, and this call or the next one removes
 * the unfinished one.
 *
 * It needs a connection of its own: pass the pool, not a transaction, and no pooler that assigns a
 * connection per transaction.
 *
 * @throws InvalidInputError if `db` is a transaction, or an option is invalid.
 * @throws VantageError (`VECTOR_INDEX_FAILED`) with the server's error as `cause`, also if another
 * build is running; (`NOT_OWNER`) if this role may not become the owner.
 * @throws the signal's reason if aborted.
 * @example
 * await buildVectorIndex(db, { m: 24, memory: '4GB', onProgress: ({ phase, share }) => console.log(phase, share) })
 *
 * // create index concurrently idx_kb_vec_hnsw_new on public.kb_chunk using hnsw (embedding public.vector_l2_ops) with (m = 24, ef_construction = 64)
 * // drop index public.idx_kb_vec_hnsw; alter index public.idx_kb_vec_hnsw_new rename to idx_kb_vec_hnsw
 *
 * @see Malkov, Yashunin: Efficient and robust approximate nearest neighbor search using
 * Hierarchical Navigable Small World graphs, 2018
 */
export async function buildVectorIndex(db: AnyKysely, options: BuildVectorIndexOptions = {}): Promise<VectorIndexReport> {
  const { schema, m, efConstruction = Math.max(64, 2 * m), memory, workers, signal, onProgress } = parseOptions(buildOptions, options)
  if (db.isTransaction) {
    throw new InvalidInputError('db', 'must not be a transaction, where no index can be built concurrently: pass the pool itself')
  }
  signal?.throwIfAborted()
  const started = performance.now()
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  await removeUnfinished(plain, installation)
  const { embedded } = await capabilities(plain)
  // An embedded database has a single connection, and not every one can build concurrently.
  const statement = `create index${embedded ? '' : ' concurrently'} ${quoteIdentifier(unfinishedVectorIndex)} on ${qualified(installation, 'kb_chunk')}
using hnsw (${await keyOf(plain, installation)}) with (m = ${m}, ef_construction = ${efConstruction})`
  const settings = {
    ...patient(pinned),
    statement_timeout: '0',
    ...(memory !== undefined && { maintenance_work_mem: memory }),
    ...(workers !== undefined && { max_parallel_maintenance_workers: `${workers}` }),
  }
  // An exception of a callback ends the build.
  const given = new AbortController()
  const stop = AbortSignal.any([given.signal, ...(signal ? [signal] : [])])
  const tell =
    onProgress &&
    ((progress: VectorIndexProgress) => {
      try {
        onProgress(progress)
      } catch (error) {
        given.abort(error)
      }
    })
  try {
    await plain.connection().execute(async (own) => {
      const asOwner = { ...settings, ...(await roleOfOwner(own, installation.schema)) }
      const { rows } = await sql<{ pid: number }>`select pg_catalog.pg_backend_pid() as pid`.execute(own)
      const watch = embedded ? undefined : watchBuild(plain, rows[0]!.pid, { signal: stop, onProgress: tell })
      try {
        await withSettings(own, asOwner, () => execute(own, statement), 'session')
      } finally {
        watch?.()
      }
    })
    await exchange(plain, installation)
  } catch (cause) {
    await removeUnfinished(plain, installation).catch(() => {})
    if (stop.aborted) throw stop.reason
    if (cause instanceof VantageError) throw cause
    throw failed(cause instanceof Error ? cause.message : String(cause), { cause })
  }
  const built = (await foundVectorIndexes(plain, installation)).find(({ name }) => name === vectorIndex)
  return { bytes: built?.bytes ?? 0, ms: performance.now() - started }
}

const failed = (reason: string, options: { cause?: unknown } = {}) =>
  new VantageError(`the vector index could not be built: ${reason}; the previous index, if any, stays in use`, {
    ...options,
    code: 'VECTOR_INDEX_FAILED',
  })

/** The indexed expression; must be exactly the one that `knowledge_measured` measures. */
async function keyOf(db: Kysely<{}>, { embeddingDimension, embeddingDistance, embeddingType }: Installation): Promise<string> {
  const { rows } = await sql<{ schema: string }>`
    select namespace.nspname::text as schema
    from pg_catalog.pg_extension as extension
    join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
    where extension.extname = 'vector'
  `.execute(db)
  const place = quoteIdentifier(rows[0]!.schema)
  if (embeddingType === 'halfvec') return `embedding ${place}.halfvec_${embeddingDistance}_ops`
  return embeddingDimension <= 2000
    ? `embedding ${place}.vector_${embeddingDistance}_ops`
    : `(embedding::${place}.halfvec(${embeddingDimension})) ${place}.halfvec_${embeddingDistance}_ops`
}

/**
 * Reports progress, and cancels the build if the signal aborts; returns a function that ends both.
 */
function watchBuild(
  db: Kysely<{}>,
  pid: number,
  { signal, onProgress }: { signal: AbortSignal; onProgress: BuildVectorIndexOptions['onProgress'] },
): () => void {
  // The answer may arrive after the pool is closed, or never if it has no second connection.
  const cancel = () => void sql`select pg_catalog.pg_cancel_backend(${pid}::int4)`.execute(db).catch(() => {})
  let asking = false
  let ended = false
  const ask = async () => {
    if (asking) return
    asking = true
    const [row] = await progressOf(db, pid).catch(() => [])
    asking = false
    if (row !== undefined && !ended) onProgress?.(row)
  }
  const timer = onProgress && setInterval(() => void ask(), 1000)
  signal.addEventListener('abort', cancel)
  return () => {
    ended = true
    clearInterval(timer)
    signal.removeEventListener('abort', cancel)
  }
}

async function progressOf(db: Kysely<{}>, pid: number): Promise<VectorIndexProgress[]> {
  const { rows } = await sql<VectorIndexProgress>`
    select build.phase, build.blocks_done::float8 / nullif(build.blocks_total, 0::int8)::float8 as share
    from pg_catalog.pg_stat_progress_create_index as build
    where build.pid = ${pid}::int4
  `.execute(db)
  return rows
}

/** Replaces the old index by the new one. */
async function exchange(db: Kysely<{}>, installation: Installation): Promise<void> {
  const exchanged = await withShortLocks(db, installation, async (trx) => {
    await execute(trx, `drop index if exists ${qualified(installation, vectorIndex)}`)
    await execute(trx, `alter index ${qualified(installation, unfinishedVectorIndex)} rename to ${quoteIdentifier(vectorIndex)}`)
  })
  if (!exchanged.done) throw failed('other sessions kept kb_chunk locked during the exchange, try again when they are done')
}

/** Fails if another build is running, since its index cannot be dropped. */
async function removeUnfinished(db: Kysely<{}>, installation: Installation): Promise<void> {
  const found = await foundVectorIndexes(db, installation)
  if (!found.some(({ name }) => name === unfinishedVectorIndex)) return
  const removed = await withShortLocks(db, installation, (trx) =>
    execute(trx, `drop index if exists ${qualified(installation, unfinishedVectorIndex)}`),
  )
  if (!removed.done) throw failed('another build of it is running, or other sessions keep kb_chunk locked')
}
