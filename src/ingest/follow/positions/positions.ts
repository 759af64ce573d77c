import { sql } from 'kysely'
import type { Scope } from '../../../database/scope.ts'
import { inTransaction } from '../../../database/transaction/inTransaction.ts'
import { takeTurn } from '../../../database/transaction/takeTurn.ts'
import type { FollowedFile } from '../files/followedFile.ts'
import { markOf } from '../files/fileMark.ts'
import type { ReaderState } from '../readers/growingReader.ts'
import type { ClaimedFile, KnownFile } from './knownFile.ts'
import { hasEnded, processMark } from './processMark.ts'
import { matchFiles, type Candidate, type Match, type Present } from './matchFiles.ts'

/**
 * A follower that has not said for so long that it is there is dead. Only waiting depends on it.
 */
const aliveFor = '20 seconds'
/** A file that was not found for so long is forgotten. */
const rememberedFor = '14 days'

/** Another process has taken over files whose positions were to be written. */
export class LostFilesError extends Error {
  readonly ids: readonly string[]

  constructor(ids: readonly string[]) {
    super('another process follows these files')
    this.ids = ids
  }
}

/** What was decided about a file that was found. */
export type Claim =
  | { readonly kind: 'known'; readonly file: ClaimedFile }
  | { readonly kind: 'new'; readonly file: ClaimedFile }
  | Extract<Match, { kind: 'taken' | 'copy' }>

/** The positions of a tenant's files on one node, and who follows which file. */
export class Positions {
  readonly #scope: Scope
  readonly #node: string
  readonly #label: string
  #follower: string | undefined

  /**
   * @param node the machine that the files are on.
   * @param label this process, for people.
   */
  constructor(scope: Scope, { node, label }: { node: string; label: string }) {
    this.#scope = scope
    this.#node = node
    this.#label = label
  }

  /** Says that this process is there. */
  async beat(): Promise<void> {
    if (this.#follower === undefined) return
    const beaten = await inTransaction(this.#scope.db, (db) => this.#beat({ ...this.#scope, db }))
    if (!beaten) this.#follower = undefined
  }

  async #beat({ db, id }: Scope): Promise<boolean> {
    const { numAffectedRows } = await sql`
      update ${id('ingest_follower')} set alive_until = clock_timestamp() + ${aliveFor}::interval where follower_id = ${this.#follower}::int8
    `.execute(db)
    return numAffectedRows === 1n
  }

  /**
   * Takes files that nobody follows, those of dead followers too.
   *
   * @param present the files that are followed here.
   */
  claim(candidates: readonly Candidate[], present: Present): Promise<Claim[]> {
    return inTransaction(this.#scope.db, async (db) => {
      const scope = { ...this.#scope, db }
      await takeTurn(db, `pgvantage follow ${scope.installation.schema} ${scope.tenantId} ${this.#node}`)
      const follower = await this.#arrive(scope)
      const known = await this.#known(scope, follower)
      const matches = await matchFiles(candidates, known, present)
      const claims: Claim[] = []
      for (const [index, match] of matches.entries()) {
        const candidate = candidates[index]!
        if (match.kind === 'taken' || match.kind === 'copy') claims.push(match)
        else if (match.kind === 'new') claims.push({ kind: 'new', file: await this.#insert(scope, follower, candidate) })
        else claims.push({ kind: 'known', file: await this.#take(scope, follower, match.file, candidate) })
      }
      this.#follower = follower
      return claims
    })
  }

  /** The row of this process, and no others of dead ones. */
  async #arrive(scope: Scope): Promise<string> {
    const { db, id, tenantId } = scope
    const { rows: others } = await sql<{ id: string; process: string | null; isLate: boolean }>`
      select follower_id::text as id, process, alive_until < clock_timestamp() as "isLate"
      from ${id('ingest_follower')}
      where tenant_id = ${tenantId}::int8 and node = ${this.#node}
    `.execute(db)
    const dead: string[] = []
    for (const other of others) {
      if (other.id === this.#follower) continue
      // Its files need not wait for one that was killed here.
      if (other.isLate || (other.process !== null && (await hasEnded(other.process)))) dead.push(other.id)
    }
    await sql`delete from ${id('ingest_follower')} where follower_id = any(${dead}::int8[])`.execute(db)
    if (this.#follower !== undefined && (await this.#beat(scope))) return this.#follower
    const { rows } = await sql<{ id: string }>`
      insert into ${id('ingest_follower')} (tenant_id, node, label, process, alive_until)
      values (${tenantId}::int8, ${this.#node}, ${this.#label}, ${await processMark()}, clock_timestamp() + ${aliveFor}::interval)
      returning follower_id::text as id
    `.execute(db)
    return rows[0]!.id
  }

  async #known({ db, id, tenantId }: Scope, follower: string): Promise<KnownFile[]> {
    const { rows } = await sql<Omit<KnownFile, 'position'> & { position: string }>`
      select file.file_id::text as id, file.path, file.inode, file.head_bytes as "headBytes", replace(file.head::text, '-', '') as head,
        file.position::text as position, replace(file.tail::text, '-', '') as tail, file.revision::text as revision,
        case when other.alive_until >= clock_timestamp() then other.label end as follower
      from ${id('ingest_file')} as file
      left join ${id('ingest_follower')} as other on other.follower_id = file.follower_id and other.follower_id <> ${follower}::int8
      where file.tenant_id = ${tenantId}::int8 and file.node = ${this.#node}
      order by file.file_id desc
    `.execute(db)
    return rows.map((row) => ({ ...row, position: Number(row.position) }))
  }

  async #take({ db, id }: Scope, follower: string, file: KnownFile, { path, inode }: Candidate): Promise<ClaimedFile> {
    const { rows } = await sql<{ state: { reader: ReaderState | null; packed: number | null }; revision: string }>`
      update ${id('ingest_file')}
      set follower_id = ${follower}::int8, path = ${path}, inode = ${inode}, seen_at = clock_timestamp(), revision = revision + 1
      where file_id = ${file.id}::int8
      returning state, revision::text as revision
    `.execute(db)
    const { state, revision } = rows[0]!
    return { ...file, path, inode, revision, state: state.reader ?? null, packed: state.packed ?? null }
  }

  async #insert({ db, id, tenantId }: Scope, follower: string, { path, inode, head }: Candidate): Promise<ClaimedFile> {
    const mark = markOf(head)
    const { rows } = await sql<{ id: string; revision: string }>`
      insert into ${id('ingest_file')} (tenant_id, node, path, inode, head_bytes, head, follower_id)
      values (${tenantId}::int8, ${this.#node}, ${path}, ${inode}, ${head.length}::int4, ${mark}::uuid, ${follower}::int8)
      returning file_id::text as id, revision::text as revision
    `.execute(db)
    const { id: fileId, revision } = rows[0]!
    return {
      id: fileId,
      path,
      inode,
      headBytes: head.length,
      head: mark,
      position: 0,
      tail: null,
      revision,
      follower: null,
      state: null,
      packed: null,
    }
  }

  /**
   * Writes positions, in the transaction that adds the records up to them to the journal.
   *
   * @returns `'done before'` if that was committed already and only the answer was lost.
   * @throws LostFilesError if another process has taken over one of the files.
   */
  async write({ db, id }: Scope, files: readonly FollowedFile[]): Promise<'now' | 'done before'> {
    const ids = files.map((file) => file.id)
    const { rows } = await sql<{ id: string; revision: string; mine: boolean }>`
      select file_id::text as id, revision::text as revision, follower_id is not distinct from ${this.#follower ?? null}::int8 as mine
      from ${id('ingest_file')}
      where file_id = any(${ids}::int8[])
      order by file_id
      for update
    `.execute(db)
    const stored = new Map(rows.map((row) => [row.id, row]))
    const ahead = files.map((file) => {
      const row = stored.get(file.id)
      return this.#follower === undefined || row?.mine !== true ? undefined : BigInt(row.revision) - BigInt(file.revision)
    })
    if (ahead.length > 0 && ahead.every((by) => by === 1n)) return 'done before'
    const lost = files.filter((_, index) => ahead[index] !== 0n)
    if (lost.length > 0) throw new LostFilesError(lost.map((file) => file.id))
    const given = files.map(({ id, path, head, checkpoint: { position, tail, state, packed } }) => ({
      id,
      path,
      head_bytes: head.bytes,
      head: head.mark,
      position,
      tail,
      state: { reader: state, packed },
    }))
    await sql`
      update ${id('ingest_file')} as file
      set path = given.path, head_bytes = given.head_bytes, head = given.head, position = given.position, tail = given.tail,
        state = given.state, revision = file.revision + 1, seen_at = clock_timestamp()
      from jsonb_to_recordset(${JSON.stringify(given)}::jsonb)
        as given (id int8, path text, head_bytes int4, head uuid, position int8, tail uuid, state jsonb)
      where file.file_id = given.id
    `.execute(db)
    return 'now'
  }

  /** Notes that files are still there, and forgets those that have not been for long. */
  async see(ids: readonly string[]): Promise<void> {
    await inTransaction(this.#scope.db, async (db) => {
      const { id, tenantId } = this.#scope
      await sql`update ${id('ingest_file')} set seen_at = clock_timestamp() where file_id = any(${[...ids]}::int8[])`.execute(db)
      await sql`
        delete from ${id('ingest_file')} as file
        where tenant_id = ${tenantId}::int8 and node = ${this.#node} and seen_at < clock_timestamp() - ${rememberedFor}::interval
          and follower_id is null
      `.execute(db)
    })
  }

  /** Leaves files to others. */
  async release(ids: readonly string[]): Promise<void> {
    if (this.#follower === undefined || ids.length === 0) return
    const { id } = this.#scope
    await inTransaction(this.#scope.db, (db) =>
      sql`
        update ${id('ingest_file')} set follower_id = null where file_id = any(${[...ids]}::int8[]) and follower_id = ${this.#follower}::int8
      `.execute(db),
    )
  }

  /** Leaves all files to others. */
  async leave(): Promise<void> {
    if (this.#follower === undefined) return
    const { id } = this.#scope
    await inTransaction(this.#scope.db, (db) =>
      sql`delete from ${id('ingest_follower')} where follower_id = ${this.#follower}::int8`.execute(db),
    )
    this.#follower = undefined
  }
}
