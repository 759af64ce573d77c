import type { Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { isAboutOne } from '../../database/sqlState.ts'
import type { OnWait } from '../../database/transaction/takeTurn.ts'
import type { ShortLockOptions } from '../../lifecycle/partitions/shortLock.ts'
import type { Stretch } from '../../lifecycle/statement.ts'
import type { AppliedPolicy } from '../policies/appliedPolicies.ts'
import type { MaintainReport, MaintenanceKind, MaintenanceStep, MaintenanceUnit, NotDone, TooLate } from './report.ts'

/** A stretch of time that may be open at one end. */
export interface OpenStretch {
  readonly from: Date | null
  readonly to: Date | null
}

export interface RunOptions {
  readonly now: Date
  readonly lockAttempts: number
  readonly maxChunks: number
  readonly signal: AbortSignal | undefined
  readonly onStep: ((unit: MaintenanceUnit) => void) | undefined
  readonly onWait: OnWait | undefined
}

/** One run of `maintain`: its options, and its report as it fills. */
export class MaintenanceRun {
  readonly db: Kysely<{}>
  readonly installation: Installation
  readonly applied: readonly AppliedPolicy[]
  readonly now: Date
  /** The most chunks of a table or rollup that one run may create for old data. */
  readonly maxChunks: number
  readonly signal: AbortSignal | undefined
  readonly onWait: OnWait | undefined
  readonly #lockAttempts: number
  readonly #onStep: RunOptions['onStep']
  readonly #steps: MaintenanceStep[] = []
  readonly #tooLate: TooLate[] = []
  readonly #notDone: NotDone[] = []

  constructor(
    db: Kysely<{}>,
    installation: Installation,
    applied: readonly AppliedPolicy[],
    { now, lockAttempts, maxChunks, signal, onStep, onWait }: RunOptions,
  ) {
    this.db = db
    this.installation = installation
    this.applied = applied
    this.now = now
    this.maxChunks = maxChunks
    this.signal = signal
    this.onWait = onWait
    this.#lockAttempts = lockAttempts
    this.#onStep = onStep
  }

  report(): MaintainReport {
    return { steps: this.#steps, tooLate: this.#tooLate, notDone: this.#notDone }
  }

  /** Null if no retention was applied. */
  expiredBefore(object: string): Date | null {
    const policy = this.applied.find((applied) => applied.kind === 'retention' && applied.object === object)
    return policy?.kind === 'retention' ? new Date(this.now.getTime() - milliseconds(policy.settings.retain)) : null
  }

  /**
   * The attempts for a table's locks. After a session has kept one chunk locked through all
   * attempts, the table's other chunks get one attempt each.
   */
  locks(table: string): ShortLockOptions {
    const given = this.#notDone.some(({ object, state }) => object === table && state === 'locked')
    return { attempts: given ? 1 : this.#lockAttempts, signal: this.signal }
  }

  begin(): number {
    this.signal?.throwIfAborted()
    return performance.now()
  }

  did(kind: MaintenanceKind, object: string, { from, to }: OpenStretch, rows: number | null, began: number): void {
    const ms = performance.now() - began
    const at = this.#steps.findIndex((known) => known.kind === kind && known.object === object)
    const known = at < 0 ? { units: 0, rows: 0, ms: 0 } : this.#steps[at]!
    const sum = {
      kind,
      object,
      units: known.units + 1,
      rows: rows === null || known.rows === null ? null : known.rows + rows,
      ms: known.ms + ms,
    }
    if (at < 0) this.#steps.push(sum)
    else this.#steps[at] = sum
    this.#onStep?.({ kind, object, from, to, rows, ms })
  }

  tooLate(rollup: string, buckets: readonly Date[]): void {
    this.#tooLate.push(...buckets.map((bucket) => ({ rollup, bucket })))
  }

  locked(kind: MaintenanceKind, object: string, { from, to }: Stretch, attempts: number): void {
    this.#notDone.push({ kind, object, from, to, state: 'locked', attempts })
  }

  stale(object: string, { from, to }: Stretch, attempts: number): void {
    this.#notDone.push({ kind: 'drop', object, from, to, state: 'stale', attempts })
  }

  /** Notes that more is left than one run does. */
  left(kind: MaintenanceKind, object: string, { from, to }: OpenStretch): void {
    this.#notDone.push({ kind, object, from, to, state: 'left', attempts: 0 })
  }

  /**
   * Notes what the server refused, so that everything else is still done.
   *
   * @throws the error if nothing else could be done either: the run was aborted, the connection is
   * lost, or the error is not the server's.
   */
  failed(kind: MaintenanceKind, object: string, { from, to }: OpenStretch, error: unknown, tenantId?: string): void {
    this.signal?.throwIfAborted()
    if (!isAboutOne(error)) throw error
    const reason = error instanceof Error ? error.message : String(error)
    this.#notDone.push({ kind, object, from, to, state: 'failed', attempts: 1, reason, ...(tenantId === undefined ? {} : { tenantId }) })
  }

  /** Does one unit of work. A failure is noted, and does not stop other units. */
  async attempt(kind: MaintenanceKind, object: string, stretch: OpenStretch, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.failed(kind, object, stretch, error)
    }
  }
}
