import { sql, type Kysely, type Transaction } from 'kysely'
import { VantageError } from '../../schema/errors.ts'
import type { Installation } from '../installation/installation.ts'
import { inTransaction } from './inTransaction.ts'
import { patient, pinned, setSettings } from './settings.ts'

/**
 * Runs a transaction of upkeep as the owner of our tables: what it creates belongs to the owner,
 * and what it runs has only the owner's rights.
 *
 * @throws VantageError if the current role may not become the owner.
 */
export function asOwner<T>(
  db: Kysely<{}>,
  { schema }: Pick<Installation, 'schema'>,
  work: (trx: Transaction<{}>) => Promise<T>,
): Promise<T> {
  const ownersWork = async (trx: Transaction<{}>) => {
    await setSettings(trx, await roleOfOwner(trx, schema))
    return work(trx)
  }
  return inTransaction(db, ownersWork, patient(pinned))
}

/**
 * The setting by which the current role becomes the owner of our tables.
 *
 * @throws VantageError (`NOT_OWNER`) if it may not; (`READ_ONLY`) if nothing can be written, as on
 * a standby.
 */
export async function roleOfOwner(trx: Kysely<{}>, schema: string): Promise<{ role: string }> {
  const { rows } = await sql<{ owner: string; role: string; may: boolean; readOnly: boolean; standby: boolean }>`
    select owner.rolname::text as owner, current_user::text as role, pg_catalog.pg_has_role(current_user, owner.oid, 'SET'::text) as may,
      pg_catalog.current_setting('transaction_read_only'::text) = 'on' as "readOnly", pg_catalog.pg_is_in_recovery() as standby
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    join pg_catalog.pg_roles as owner on owner.oid = class.relowner
    where namespace.nspname = ${schema} and class.relname = 'pgvantage_installation'
  `.execute(trx)
  const { owner, role, may, readOnly, standby } = rows[0]!
  if (readOnly) {
    throw new VantageError(
      standby
        ? 'this server is a standby, which takes no writes: connect to its primary'
        : `transactions of ${role} are read-only here (default_transaction_read_only): connect as a role whose transactions are not`,
      { code: 'READ_ONLY' },
    )
  }
  if (may) return { role: owner }
  throw new VantageError(`the tables in schema ${schema} belong to ${owner}, and ${role} may not act as it`, {
    code: 'NOT_OWNER',
    remedy: { do: 'actAsOwner', owner, role },
  })
}
