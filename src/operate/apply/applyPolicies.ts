import type { Kysely } from 'kysely'
import { z } from 'zod'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { findInstallation, type Installation } from '../../database/installation/installation.ts'
import { asOwner } from '../../database/transaction/asOwner.ts'
import { takeTurn, type OnWait } from '../../database/transaction/takeTurn.ts'
import { execute } from '../../lifecycle/statement.ts'
import { InvalidInputError, VantageError } from '../../schema/errors.ts'
import { parseOptions } from '../../schema/parse.ts'
import { checkedPolicies } from '../policies/checkedPolicies.ts'
import { defaultPolicies } from '../policies/defaultPolicies.ts'
import { convert, type ConvertReport, type ConvertStep } from '../conversion/convert.ts'
import { policiesTurn } from '../policies/policiesTurn.ts'
import { planOptions, planPolicies, type PlanPoliciesOptions } from './planPolicies.ts'
import type { PolicyChange } from './policyChange.ts'

export interface ApplyPoliciesOptions extends PlanPoliciesOptions {
  /**
   * First move tables that were made without TimescaleDB, or without its community edition, up to
   * what the server can do now. It blocks readers and writers of the rollup tables for as long as
   * it takes, see `convert`.
   */
  convert?: boolean
  /** Told of each table that was converted. */
  onConverted?: (step: ConvertStep) => void
  /** Told of each change before it is made. */
  onChange?: (change: PolicyChange) => void
  /** Told for whom it waits, where somebody else applies policies to this database already. */
  onWait?: OnWait
  /**
   * Give up before the next statement. Changes made until then stay; applying again goes on from
   * there.
   */
  signal?: AbortSignal
}

const applyOptions = planOptions.extend({
  convert: z.boolean().default(false),
  onConverted: z.custom<ApplyPoliciesOptions['onConverted']>().optional(),
  onChange: z.custom<ApplyPoliciesOptions['onChange']>().optional(),
  onWait: z.custom<ApplyPoliciesOptions['onWait']>().optional(),
  signal: z.instanceof(AbortSignal).optional(),
})

export interface PoliciesReport {
  /** What `convert` moved; null where it was not asked for, or there was nothing to gain. */
  converted: ConvertReport | null
  /** The plan as it was carried out. */
  changes: PolicyChange[]
}

/**
 * Reconciles the server with the declared policies and says what was done: the plan of
 * `planPolicies`, carried out.
 *
 * Twice in a row changes nothing the second time. Each change is one transaction, and those that
 * roll come before those that drop: a failure in the middle leaves whole changes, and applying
 * again does the rest. Run from several places at once, they take turns change by change; what
 * another has done in the meantime is planned again, and found done.
 *
 * @throws InvalidInputError when a policy could not be kept, or a transaction is handed in:
 * TimescaleDB refreshes in none.
 * @throws VantageError (`POLICY_FAILED`) naming the change that failed, or (`CONVERT_FAILED`) what
 * stands in the way of converting, with the server's error as its cause.
 * @example
 * const { changes } = await applyPolicies(db, { policies: policiesWith({ metric_1m: { retain: '90 days' } }) })
 */
export async function applyPolicies(db: AnyKysely, given: ApplyPoliciesOptions = {}): Promise<PoliciesReport> {
  const { convert: upwards, onConverted, onChange, onWait, signal, ...options } = parseOptions(applyOptions, given)
  checkedPolicies(options.policies ?? defaultPolicies)
  const plain = plainKysely(db)
  if (plain.isTransaction) {
    throw new InvalidInputError('db', 'is a transaction: TimescaleDB refreshes its aggregates in none, so hand in the connection itself')
  }
  return plain.connection().execute(async (connection) => {
    signal?.throwIfAborted()
    const converted = upwards ? await convert(connection, { schema: options.schema, onStep: onConverted, onWait, signal }) : null
    const installation = await findInstallation(connection, options.schema)
    const changes: PolicyChange[] = []
    for (const change of await planPolicies(connection, options)) {
      changes.push(await apply(connection, installation, change, { options, onChange, onWait, signal }))
    }
    return { converted, changes }
  })
}

/**
 * Makes a change, and says which it was: nothing is changed that somebody else has changed since it
 * was planned.
 */
async function apply(
  connection: Kysely<{}>,
  installation: Installation,
  change: PolicyChange,
  { options, onChange, onWait, signal }: Pick<ApplyPoliciesOptions, 'onChange' | 'onWait' | 'signal'> & { options: PlanPoliciesOptions },
): Promise<PolicyChange> {
  if (change.statementsBefore.length + change.statements.length === 0) return change
  onChange?.(change)
  try {
    for (const statement of change.statementsBefore) {
      signal?.throwIfAborted()
      await execute(connection, statement)
    }
    return await asOwner(connection, installation, async (trx) => {
      // Of the transaction, so that none is left behind on a connection of a pooler's.
      await takeTurn(trx, policiesTurn, onWait)
      const now = (await planPolicies(trx, options)).find(({ object, kind }) => object === change.object && kind === change.kind)
      for (const statement of now?.statements ?? []) {
        signal?.throwIfAborted()
        await execute(trx, statement)
      }
      return now === undefined ? change : { ...now, statementsBefore: change.statementsBefore }
    })
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    if (cause instanceof VantageError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new VantageError(
      `policies: could not ${change.action} the ${change.kind} of ${change.object}: ${reason}; what was done before stays, apply again to go on`,
      { code: 'POLICY_FAILED', cause },
    )
  }
}
