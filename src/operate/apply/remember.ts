import { qualified, type Installation } from '../../database/installation/installation.ts'
import { quoteLiteral } from '../../database/sql/identifier.ts'
import type { PolicyKind } from '../policies/appliedPolicies.ts'
import type { DeclaredPolicy } from '../policies/declaredPolicies.ts'

/** The statement that records a policy as applied; `job` is an expression for its job's id. */
export const remember = (installation: Installation, { object, kind, settings }: DeclaredPolicy, job = 'null'): string =>
  `insert into ${qualified(installation, 'pgvantage_policy')} (object, kind, settings, job_id)
values (${quoteLiteral(object)}, ${quoteLiteral(kind)}, ${quoteLiteral(JSON.stringify(settings))}, ${job})
on conflict (object, kind) do update set settings = excluded.settings, job_id = excluded.job_id, applied_at = now()`

export const forget = (installation: Installation, { object, kind }: { object: string; kind: PolicyKind }): string =>
  `delete from ${qualified(installation, 'pgvantage_policy')} where object = ${quoteLiteral(object)} and kind = ${quoteLiteral(kind)}`
