import { hash } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { sqlStateOf } from '../../database/sqlState.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { takeTurn } from '../../database/transaction/takeTurn.ts'
import type { PackedMemory } from '../rollups/metrics/metricMemory.ts'
import { windowMilliseconds, type IngestWindow } from '../rollups/windows/ingestWindow.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'
import type { RollUpReport } from '../rollups/windows/rollUpReport.ts'
import { deleteGone, type GoneRows } from '../writer/deleteGone.ts'
import { TenantTemplates } from '../writer/tenantTemplates.ts'
import { writeWindow, type Learning } from '../writer/writeRollups.ts'
import type { BatchRules, Known } from './batch.ts'
import type { CompactBatch } from './compactBatch.ts'
import { decodePart, encodePart } from './encode.ts'
import type { Carried, Journal, PartKey, Rolled, Unrolled, WindowTurn } from './journal.ts'
import type { TelemetryClock } from './telemetryClock.ts'
import { joinReach, memoriesAfter } from './rollJournal.ts'
import type { WindowPart } from './windowPart.ts'

/**
 * A deadlock, and a serialization failure: the other transaction has continued, so a retry can
 * work.
 */
const passing: ReadonlySet<string> = new Set(['40P01', '40001'])

/**
 * Work in the transaction that adds records to the journal. `'done before'` if an earlier attempt
 * was committed, and only its answer was lost: then nothing is added.
 */
export type Beside = (scope: Scope) => Promise<'now' | 'done before'>

/** Counts of the windows that closed. */
export interface Closed {
  /** Windows of a resource. */
  windows: number
  /** Those of them that closed early because the journal had grown too large. */
  early: number
}

/** The size of the journal. */
export interface JournalSize {
  bytes: number
  /** Windows that are still open, of all kinds of telemetry. */
  windows: number
  /** When its oldest part was written; null if it is empty. */
  since: Date | null
}

/** The journal of a tenant in the database. */
export class DatabaseJournal implements Journal {
  readonly #scope: Scope
  /** The parts that this run added and its report does not count yet. */
  readonly #own: Set<string>
  readonly #templates = new TenantTemplates()

  readonly #begun: boolean

  /** @param begun whether the scope is of a transaction of ours, with our settings. */
  constructor(scope: Scope, own = new Set<string>(), begun = false) {
    this.#scope = scope
    this.#own = own
    this.#begun = begun
  }

  /**
   * Reads with this library's settings, so that names resolve to its objects under any search path
   * of the caller.
   */
  #reading<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
    return this.#begun ? work(this.#scope) : inTransaction(this.#scope.db, (db) => work({ ...this.#scope, db }))
  }

  /**
   * Adds the records of requests, all or none, without those that the journal already has and those
   * of closed windows.
   *
   * @param beside work in the same transaction, also if there is no record.
   * @returns what happened to the records.
   */
  async append(read: CompactBatch, beside?: Beside): Promise<RollUpReport> {
    const { rules } = read
    const { parts, report } = read.batch
    if (parts.length === 0 && beside === undefined) return report
    const encoded = parts.map((part) => encodePart(part))
    const [batch, ids] = await inTransaction(this.#scope.db, async (db) => {
      const scope = { ...this.#scope, db }
      await takeTurn(db, journalTurn(scope))
      if ((await beside?.(scope)) === 'done before' || parts.length === 0) return [read.batch, []] as const
      const known = await knownOf(scope, parts, rules.clock)
      if (known === null) return [read.batch, await insertParts(scope, parts, encoded, rules)] as const
      const rest = read.without(known)
      const left = rest.parts
      const ids = await insertParts(
        scope,
        left,
        left.map((part) => encodePart(part)),
        rules,
      )
      return [rest, ids] as const
    })
    for (const id of ids) this.#own.add(id)
    return batch.report
  }

  async unrolled(): Promise<Unrolled[]> {
    return this.#reading(async ({ db, id, tenantId }) => {
      const { rows } = await sql<{ dataset: Dataset; resource: string; begins: Date }>`
        select dataset, resource, window_start as begins
        from ${id('ingest_window')}
        where tenant_id = ${tenantId}::int8 and last_part > rolled_part
      `.execute(db)
      return rows.map(({ dataset, resource, begins }) => ({ dataset, resource, window: begins.getTime() }))
    })
  }

  async openForSpans(): Promise<number[]> {
    return this.#reading(async ({ db, id, tenantId }) => {
      const { rows } = await sql<{ begins: Date }>`
        select distinct window_start as begins
        from ${id('ingest_window')}
        where tenant_id = ${tenantId}::int8 and dataset = 'traces'
        order by begins
      `.execute(db)
      return rows.map(({ begins }) => begins.getTime())
    })
  }

  async windows(dataset: Dataset): Promise<number[]> {
    return this.#reading(async ({ db, id, tenantId }) => {
      const { rows } = await sql<{ begins: Date }>`
        select distinct window_start as begins
        from ${id('ingest_journal')}
        where tenant_id = ${tenantId}::int8 and dataset = ${dataset} and payload is not null
        order by begins
      `.execute(db)
      return rows.map(({ begins }) => begins.getTime())
    })
  }

  async parts(dataset: Dataset, from: number, to: number): Promise<PartKey[]> {
    return this.#reading(async ({ db, id, tenantId }) => {
      const since = from === -Infinity ? sql`'-infinity'::timestamptz` : sql`${new Date(from)}::timestamptz`
      const { rows } = await sql<{ id: string; begins: Date }>`
        select part_id::text as id, window_start as begins
        from ${id('ingest_journal')}
        where tenant_id = ${tenantId}::int8 and dataset = ${dataset} and window_start >= ${since} and window_start <= ${new Date(to)}
          and payload is not null
        order by window_start, part_id
      `.execute(db)
      return rows.map(({ id, begins }) => ({ id, window: begins.getTime() }))
    })
  }

  async read(dataset: Dataset, keys: readonly PartKey[]): Promise<Map<string, WindowPart>> {
    if (keys.length === 0) return new Map()
    return this.#reading(async ({ db, id }) => {
      const { rows } = await sql<{ id: string; payload: Uint8Array }>`
        select part_id::text as id, payload
        from ${id('ingest_journal')}
        where part_id = any(${keys.map((key) => key.id)}::int8[]) and payload is not null
        order by part_id
      `.execute(db)
      const windows = new Map(keys.map((key) => [key.id, key.window]))
      return new Map(rows.map(({ id, payload }) => [id, decodePart(dataset, windows.get(id)!, payload, this.#own.has(id))]))
    })
  }

  async carried(resources: readonly string[]): Promise<Carried[]> {
    return this.#reading(async ({ db, id, tenantId }) => {
      const { rows } = await sql<{ resource: string; carried: Uint8Array; until: Date }>`
        select resource, carried, carried_until as until
        from ${id('ingest_clock')}
        where tenant_id = ${tenantId}::int8 and dataset = 'metrics' and resource = any(${[...resources]}::text[]) and carried is not null
      `.execute(db)
      return rows.map(({ resource, carried, until }) => ({
        resource,
        until: until.getTime(),
        memory: JSON.parse(zstdDecompressSync(carried).toString()) as PackedMemory,
      }))
    })
  }

  /** In a caller's transaction nothing can be retried. */
  isPassing(error: unknown): boolean {
    return !this.#scope.db.isTransaction && passing.has(sqlStateOf(error) ?? '')
  }

  inTurn<T>(window: number, work: (turn: WindowTurn) => Promise<T>): Promise<T> {
    return inTransaction(this.#scope.db, async (db) => {
      const scope = { ...this.#scope, db }
      await takeTurn(db, `pgvantage window ${scope.installation.schema} ${scope.tenantId} ${window}`)
      return work(await DatabaseTurn.begin(scope, this.#own, window, { templates: this.#templates, isOnly: !this.#scope.db.isTransaction }))
    })
  }

  /**
   * Closes the windows that have waited long enough: the newest record of their resource is the
   * horizon past their end, and nothing was added to them for as long; or nothing was added for
   * four times as long. Beyond `maxBytes` it also closes the oldest of the others.
   *
   * @param horizon milliseconds.
   */
  close({ horizon, maxBytes }: { horizon: number; maxBytes: number }): Promise<Closed> {
    return inTransaction(this.#scope.db, async (db) => {
      const scope = { ...this.#scope, db }
      const journal = new DatabaseJournal(scope, this.#own, true)
      await takeTurn(db, journalTurn(scope))
      const due = await dueWindows(scope, horizon)
      await closeWindows(scope, journal, due, horizon)
      const early = await overflowing(scope, maxBytes)
      await closeWindows(scope, journal, early, horizon)
      return { windows: due.length + early.length, early: early.length }
    })
  }

  /**
   * Beginnings of messages that too many words follow, and about how many messages this run met.
   */
  exploded(): Map<string, number> {
    return this.#templates.exploded()
  }

  async size(): Promise<JournalSize> {
    return this.#reading(async ({ db, id, tenantId }) => {
      const { rows } = await sql<{ bytes: number; windows: number; since: Date | null }>`
        select coalesce(sum(octet_length(payload)), 0)::float8 as bytes, count(distinct window_start)::int4 as windows, min(written_at) as since
        from ${id('ingest_journal')}
        where tenant_id = ${tenantId}::int8 and payload is not null
      `.execute(db)
      return rows[0]!
    })
  }
}

/** A window under a lock, so that no other process rolls it up. */
class DatabaseTurn extends DatabaseJournal implements WindowTurn {
  readonly #scope: Scope
  readonly #own: Set<string>
  readonly #window: number
  readonly #learning: Learning
  /** The last part of each resource when the lock was taken; later ones are not rolled up now. */
  readonly #last: ReadonlyMap<string, string>

  static async begin(scope: Scope, own: Set<string>, window: number, learning: Learning): Promise<DatabaseTurn> {
    const { rows } = await sql<{ key: string; last: string }>`
      select dataset || ' ' || resource as key, last_part::text as last
      from ${scope.id('ingest_window')}
      where tenant_id = ${scope.tenantId}::int8 and window_start = ${new Date(window)}
    `.execute(scope.db)
    return new DatabaseTurn(scope, own, window, learning, new Map(rows.map(({ key, last }) => [key, last])))
  }

  private constructor(scope: Scope, own: Set<string>, window: number, learning: Learning, last: ReadonlyMap<string, string>) {
    super(scope, own, true)
    this.#scope = scope
    this.#own = own
    this.#window = window
    this.#learning = learning
    this.#last = last
  }

  isOpen(dataset: Dataset, resource: string): boolean {
    return this.#last.has(`${dataset} ${resource}`)
  }

  async write(window: IngestWindow, gone: GoneRows, rolled: readonly Rolled[], signal?: AbortSignal): Promise<void> {
    await deleteGone(this.#scope, window, gone)
    // Records that are too old were refused when they were read.
    await writeWindow(this.#scope, window, this.#learning, { acceptOld: true, signal, rejecting: 'none' })
    const done = rolled.flatMap(({ dataset, resource, waiting }) => {
      const last = this.#last.get(`${dataset} ${resource}`)
      return last === undefined ? [] : [{ dataset, resource, last, waiting }]
    })
    const { db, id, tenantId } = this.#scope
    await sql`
      with done as (
        select open.dataset, open.resource, done.last, done.waiting
        from jsonb_to_recordset(${JSON.stringify(done)}::jsonb) as done (dataset text, resource text, last int8, waiting int4)
        join ${id('ingest_window')} as open
          on open.tenant_id = ${tenantId}::int8 and open.window_start = ${window.from} and open.dataset = done.dataset
          and open.resource = done.resource
        where open.rolled_part < done.last or open.waiting <> done.waiting
        -- A locked row is being added to, perhaps by a process that waits for this one: it is
        -- rolled up again later.
        for update of open skip locked
      )
      update ${id('ingest_window')} as open set rolled_part = done.last, waiting = done.waiting
      from done
      where open.tenant_id = ${tenantId}::int8 and open.window_start = ${window.from} and open.dataset = done.dataset
        and open.resource = done.resource
    `.execute(db)
    for (const dataset of new Set(rolled.map((one) => one.dataset))) {
      for (const { id } of await this.parts(dataset, this.#window, this.#window)) this.#own.delete(id)
    }
  }
}

const journalTurn = ({ installation, tenantId }: Scope): string => `pgvantage journal ${installation.schema} ${tenantId}`

/**
 * Half of a request's digest, as the database stores it. The same request with another shift gives
 * another digest.
 */
const shortDigest = (digest: string, { shiftMs }: TelemetryClock): string =>
  shiftMs === 0 ? Buffer.from(digest, 'base64').toString('hex', 0, 16) : hash('sha256', `${digest} ${shiftMs}`, 'hex').slice(0, 32)

/** What the journal already has of the records of a batch; null if nothing. */
async function knownOf({ db, id, tenantId }: Scope, parts: readonly WindowPart[], clock: TelemetryClock): Promise<Known | null> {
  const digests = new Map(parts.flatMap(({ requests }) => [...requests].map((digest) => [shortDigest(digest, clock), digest] as const)))
  const windows = [...new Set(parts.map(({ window }) => window))].map((window) => new Date(window))
  const { rows: repeated } = await sql<{ digest: string }>`
    select distinct replace(request::text, '-', '') as digest
    from ${id('ingest_journal')} as part
    cross join unnest(part.requests) as request
    where part.tenant_id = ${tenantId}::int8 and part.window_start = any(${windows}::timestamptz[]) and request = any(${[...digests.keys()]}::uuid[])
  `.execute(db)
  const reported = parts.flatMap(({ dataset, window, reported }) =>
    [...reported.keys()].map((resource) => ({ dataset, resource, window_start: new Date(window) })),
  )
  const { rows: closed } = await sql<{ key: string }>`
    select given.dataset || ' ' || (extract(epoch from given.window_start) * 1000)::int8 || ' ' || given.resource as key
    from jsonb_to_recordset(${JSON.stringify(reported)}::jsonb) as given (dataset text, resource text, window_start timestamptz)
    join ${id('ingest_clock')} as known
      on known.tenant_id = ${tenantId}::int8 and known.dataset = given.dataset and known.resource = given.resource
    where known.closed @> given.window_start
  `.execute(db)
  if (repeated.length === 0 && closed.length === 0) return null
  const keys = new Set(closed.map(({ key }) => key))
  return {
    requests: new Set(repeated.map(({ digest }) => digests.get(digest)!)),
    isClosed: (dataset, resource, window) => keys.has(`${dataset} ${window} ${resource}`),
  }
}

/** The most parts of one statement, which has a limited number of parameters. */
const partsPerStatement = 500

/** @returns the ids of the parts. */
async function insertParts(
  scope: Scope,
  parts: readonly WindowPart[],
  encoded: readonly Uint8Array[],
  { clock, horizon }: BatchRules,
): Promise<string[]> {
  const { db, id, tenantId } = scope
  const added: { id: string; part: WindowPart }[] = []
  for (let at = 0; at < parts.length; at += partsPerStatement) {
    const some = parts.slice(at, at + partsPerStatement)
    const values = some.map((part, index) => {
      const requests = [...part.requests].map((digest) => shortDigest(digest, clock))
      const digest = hash('sha256', requests.toSorted().join(' '), 'hex').slice(0, 32)
      return sql`(${tenantId}::int8, ${part.dataset}::text, ${new Date(part.window)}::timestamptz, ${digest}::uuid, ${requests}::uuid[], ${part.records}::int8, ${encoded[at + index]!}::bytea)`
    })
    const { rows } = await sql<{ id: string; dataset: string; begins: Date }>`
      insert into ${id('ingest_journal')} (tenant_id, dataset, window_start, digest, requests, records, payload)
      values ${sql.join(values)}
      returning part_id::text as id, dataset, window_start as begins
    `.execute(db)
    const byKey = new Map(rows.map(({ id, dataset, begins }) => [`${dataset} ${begins.getTime()}`, id]))
    for (const part of some) added.push({ id: byKey.get(`${part.dataset} ${part.window}`)!, part })
  }
  const open = added.flatMap(({ id, part: { dataset, window, reported } }) =>
    [...reported].map(([resource, { clock }]) => ({
      dataset,
      resource,
      window_start: new Date(window),
      last_part: id,
      clock: new Date(clock),
    })),
  )
  const given = sql`jsonb_to_recordset(${JSON.stringify(open)}::jsonb) as given (dataset text, resource text, window_start timestamptz, last_part int8, clock timestamptz)`
  await sql`
    insert into ${id('ingest_window')} as open (tenant_id, window_start, dataset, resource, last_part, changed_at, horizon_ms)
    select ${tenantId}::int8, window_start, dataset, resource, last_part, clock_timestamp(), ${horizon}::int8
    from ${given}
    order by window_start, dataset, resource
    on conflict (tenant_id, window_start, dataset, resource) do update set
      last_part = excluded.last_part,
      changed_at = excluded.changed_at,
      horizon_ms = greatest(open.horizon_ms, excluded.horizon_ms)
  `.execute(db)
  await sql`
    insert into ${id('ingest_clock')} as known (tenant_id, dataset, resource, clock)
    select ${tenantId}::int8, dataset, resource, max(clock)
    from ${given}
    group by dataset, resource
    order by dataset, resource
    on conflict (tenant_id, dataset, resource) do update set clock = excluded.clock
    where excluded.clock > known.clock
  `.execute(db)
  return added.map((one) => one.id)
}

/** A window of a resource that is due to close. */
interface DueWindow {
  dataset: Dataset
  resource: string
  begins: Date
}

/**
 * The windows that may close. Each waits for the longest horizon requested for it, and for its own
 * time by the database's clock: a window of a clock that is ahead is still in the future for
 * others. Windows of metrics close in order of time, since counters continue from one to the next.
 */
async function dueWindows({ db, id, tenantId }: Scope, horizon: number): Promise<DueWindow[]> {
  const waits = sql`greatest(open.horizon_ms, ${horizon}::int8) * interval '1 millisecond'`
  const end = sql`open.window_start + ${windowMilliseconds} * interval '1 millisecond'`
  const { rows } = await sql<DueWindow>`
    with judged as (
      select open.dataset, open.resource, open.window_start,
        open.rolled_part >= open.last_part and clock_timestamp() >= ${end} + ${waits} and (
          known.clock >= ${end} + ${waits} and open.changed_at <= clock_timestamp() - ${waits}
          or open.changed_at <= clock_timestamp() - 4 * ${waits}
        ) as due
      from ${id('ingest_window')} as open
      join ${id('ingest_clock')} as known using (tenant_id, dataset, resource)
      where open.tenant_id = ${tenantId}::int8
    )
    select dataset, resource, window_start as begins
    from judged
    where due and (dataset <> 'metrics' or not exists (
      select from judged as earlier
      where earlier.dataset = 'metrics' and earlier.resource = judged.resource and earlier.window_start < judged.window_start and not earlier.due
    ))
  `.execute(db)
  return rows
}

/** The windows to close, oldest first, to bring the journal down to half of its limit. */
async function overflowing({ db, id, tenantId }: Scope, maxBytes: number): Promise<DueWindow[]> {
  const { rows } = await sql<DueWindow>`
    with sized as (
      select window_start, sum(octet_length(payload)) as bytes
      from ${id('ingest_journal')}
      where tenant_id = ${tenantId}::int8 and payload is not null
      group by window_start
    ),
    summed as (select window_start, sum(bytes) over (order by window_start desc) as bytes, sum(bytes) over () as total from sized)
    select open.dataset, open.resource, open.window_start as begins
    from summed
    join ${id('ingest_window')} as open on open.tenant_id = ${tenantId}::int8 and open.window_start = summed.window_start
    where summed.total > ${maxBytes}::numeric and summed.bytes > ${maxBytes / 2}::numeric and open.rolled_part >= open.last_part
  `.execute(db)
  return rows
}

async function closeWindows(scope: Scope, journal: DatabaseJournal, windows: readonly DueWindow[], horizon: number): Promise<void> {
  if (windows.length === 0) return
  const { db, id, tenantId } = scope
  const lastMetrics = new Map<string, number>()
  for (const { dataset, resource, begins } of windows) {
    if (dataset === 'metrics') lastMetrics.set(resource, Math.max(lastMetrics.get(resource) ?? -Infinity, begins.getTime()))
  }
  const before = await journal.carried([...lastMetrics.keys()])
  for (const { resource, until, memory } of await memoriesAfter(journal, lastMetrics, before)) {
    await sql`
      update ${id('ingest_clock')} set carried = ${zstdCompressSync(JSON.stringify(memory))}::bytea, carried_until = ${new Date(until)}
      where tenant_id = ${tenantId}::int8 and dataset = 'metrics' and resource = ${resource}
        and coalesce(carried_until, '-infinity') <= ${new Date(until)}
    `.execute(db)
  }
  const given = sql`jsonb_to_recordset(${JSON.stringify(windows)}::jsonb) as given (dataset text, resource text, begins timestamptz)`
  const length = sql`${windowMilliseconds} * interval '1 millisecond'`
  await sql`
    update ${id('ingest_clock')} as known set closed = known.closed + closing.windows
    from (
      select dataset, resource, range_agg(tstzrange(begins, begins + ${length})) as windows from ${given} group by dataset, resource
    ) as closing
    where known.tenant_id = ${tenantId}::int8 and known.dataset = closing.dataset and known.resource = closing.resource
  `.execute(db)
  await sql`
    delete from ${id('ingest_window')} as open using ${given}
    where open.tenant_id = ${tenantId}::int8 and open.window_start = given.begins and open.dataset = given.dataset and open.resource = given.resource
  `.execute(db)
  // Spans stay while a window is open that may contain the other side of their calls.
  const near = sql`case when part.dataset = 'traces' then ${joinReach(horizon)} else 0 end * interval '1 millisecond'`
  await sql`
    update ${id('ingest_journal')} as part set payload = null, written_at = clock_timestamp()
    where part.tenant_id = ${tenantId}::int8 and part.payload is not null
      and not exists (
        select from ${id('ingest_window')} as open
        where open.tenant_id = part.tenant_id and open.dataset = part.dataset
          and open.window_start between part.window_start - ${near} and part.window_start + ${near}
      )
  `.execute(db)
  await sql`
    delete from ${id('ingest_journal')}
    where tenant_id = ${tenantId}::int8 and payload is null and written_at < clock_timestamp() - ${rememberedFor}::interval
  `.execute(db)
}

/**
 * For this long after its window has closed, a request that is read again counts as a duplicate,
 * not as late.
 */
const rememberedFor = '1 day'
