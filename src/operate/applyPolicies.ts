import { sql, type Kysely } from 'kysely'
import { plainKysely } from '../database/plain.ts'
import { InvalidInputError, VantageError } from '../schema/errors.ts'
import { convert, type ConvertReport, type ConvertStep } from './convert.ts'
import { planPolicies, type PlanPoliciesOptions, type PolicyChange } from './planPolicies.ts'
import { checkedPolicies, defaultPolicies } from './policies.ts'
import { execute, inTransaction } from './transaction.ts'

export interface ApplyPoliciesOptions extends PlanPoliciesOptions {
  /**
   * First move tables that were made without TimescaleDB, or without its community edition, up to what the server can do now. It blocks readers and
   * writers of the rollup tables for as long as it takes, see `convert`.
   */
  convert?: boolean
  /** Told of each table that was converted. */
  onConverted?: (step: ConvertStep) => void
  /** Told of each change before it is made. */
  onChange?: (change: PolicyChange) => void
  /** Give up before the next statement. Changes made until then stay; applying again goes on from there. */
  signal?: AbortSignal
}

export interface PoliciesReport {
  /** What `convert` moved; null where it was not asked for, or there was nothing to gain. */
  converted: ConvertReport | null
  /** The plan as it was carried out. */
  changes: PolicyChange[]
}

/**
 * Reconciles the server with the declared policies and says what was done: the plan of `planPolicies`, carried out.
 *
 * Twice in a row changes nothing the second time. Each change is one transaction, and those that roll come before those that drop: a failure in the
 * middle leaves whole changes, and applying again does the rest. Run from several places at once, they queue.
 *
 * @throws InvalidInputError when a policy could not be kept, or a transaction is handed in: TimescaleDB refreshes in none.
 * @throws VantageError (`POLICY_FAILED`) naming the change that failed, or (`CONVERT_FAILED`) what stands in the way of converting, with the server's
 * error as its cause.
 * @example
 * const { changes } = await applyPolicies(db, { policies: { ...defaultPolicies, time: [{ ...metricPolicy, retain: '90 days' }, callPolicy, patternPolicy] } })
 */
export async function applyPolicies<Database>(
  db: Kysely<Database>,
  { convert: upwards = false, onConverted, onChange, signal, ...options }: ApplyPoliciesOptions = {},
): Promise<PoliciesReport> {
  checkedPolicies(options.policies ?? defaultPolicies)
  const plain = plainKysely(db)
  if (plain.isTransaction) {
    throw new InvalidInputError('db', 'is a transaction: TimescaleDB refreshes its aggregates in none, so hand in the connection itself')
  }
  return plain.connection().execute(async (connection) =>
    locked(connection, async () => {
      signal?.throwIfAborted()
      const converted = upwards ? await convert(connection, { schema: options.schema, onStep: onConverted, signal }) : null
      const changes = await planPolicies(connection, options)
      for (const change of changes) await apply(connection, change, onChange, signal)
      return { converted, changes }
    }),
  )
}

/** Held by the session, for there is no transaction around the whole: through a pooler it needs a session of its own. */
async function locked<T>(connection: Kysely<{}>, work: () => Promise<T>): Promise<T> {
  await sql`select pg_advisory_lock(${sql.lit(lockKey)})`.execute(connection)
  try {
    return await work()
  } finally {
    await sql`select pg_advisory_unlock(${sql.lit(lockKey)})`.execute(connection)
  }
}

const lockKey = 7620318452117002

async function apply(
  connection: Kysely<{}>,
  change: PolicyChange,
  onChange: ApplyPoliciesOptions['onChange'],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (change.before.length + change.sql.length === 0) return
  onChange?.(change)
  try {
    for (const statement of change.before) {
      signal?.throwIfAborted()
      await execute(connection, statement)
    }
    await inTransaction(connection, async (trx) => {
      for (const statement of change.sql) {
        signal?.throwIfAborted()
        await execute(trx, statement)
      }
    })
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new VantageError(
      `policies: could not ${change.action} the ${change.kind} of ${change.object}: ${reason}; what was done before stays, apply again to go on`,
      { code: 'POLICY_FAILED', cause },
    )
  }
}
