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
   * First move tables that were made without TimescaleDB, or without its community edition, to what
   * the server can do now. This blocks readers and writers of the rollup tables until it ends, see
   * `convert`.
   */
  convert?: boolean
  /** Called for each table that was converted. */
  onConverted?: (step: ConvertStep) => void
  /** Called before each change. */
  onChange?: (change: PolicyChange) => void
  /** Called with the session waited for, if another one is applying policies to this database. */
  onWait?: OnWait
  /**
   * Stops before the next statement. Changes made until then stay; applying again continues from
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
  /** What `convert` moved; null if it was not requested, or there was nothing to move. */
  converted: ConvertReport | null
  /** The plan as it was carried out. */
  changes: PolicyChange[]
}

/**
 * Brings the server in line with the declared policies, by carrying out the plan of `planPolicies`,
 * and reports the changes.
 *
 * | | |
 * |---|---|
 * | applied again | changes nothing |
 * | transactions | one per change |
 * | order | changes that roll up come before those that drop rows |
 * | failure | completed changes stay; apply again to do the rest |
 * | several processes at once | take turns, change by change; changes that another has made are found done |
 *
 * @throws InvalidInputError if a policy could not be kept, or `db` is a transaction: TimescaleDB
 * cannot refresh in a transaction.
 * @throws VantageError (`POLICY_FAILED`) naming the change that failed, or (`CONVERT_FAILED`) the
 * obstacle to converting, with the server's error as its cause.
 * @example
 * const { changes } = await applyPolicies(db, { policies: policiesWith({ metric_1m: { retain: '90 days' } }) })
 */
export async function applyPolicies(db: AnyKysely, given: ApplyPoliciesOptions = {}): Promise<PoliciesReport> {
  const { convert: upwards, onConverted, onChange, onWait, signal, ...options } = parseOptions(applyOptions, given)
  checkedPolicies(options.policies ?? defaultPolicies)
  const plain = plainKysely(db)
  if (plain.isTransaction) {
    throw new InvalidInputError('db', 'is a transaction, in which TimescaleDB cannot refresh its aggregates: pass the connection itself')
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
 * Makes a change and returns it. If someone has changed the policy since it was planned, it is
 * planned again first.
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
      // A lock of the transaction, so that none stays behind on a pooler's connection.
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
      `policies: could not ${change.action} the ${change.kind} of ${change.object}: ${reason}; earlier changes stay, apply again to continue`,
      { code: 'POLICY_FAILED', cause },
    )
  }
}
