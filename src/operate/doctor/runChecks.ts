import type { Check, Examined, Finding } from '../../database/checks/check.ts'
import { withoutTrace } from '../../database/transaction/inTransaction.ts'
import { sqlStateOf } from '../../database/sqlState.ts'
import { preview } from '../../schema/parse.ts'

/** The findings of the checks, in their order. A check that fails is a finding itself. */
export async function runChecks(checks: readonly Check[], examined: Examined): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const check of checks) {
    try {
      findings.push(...(await withoutTrace(examined.db, async (db) => check.find({ ...examined, db }))))
    } catch (cause) {
      findings.push(failed(check, cause))
    }
  }
  return findings
}

/** Missing rights to look at something are not a fault of what could not be read. */
const failed = ({ name }: Check, cause: unknown): Finding =>
  sqlStateOf(cause) === '42501'
    ? {
        severity: 'warning',
        code: 'not-checked',
        message: `${name}: this role may not read what the check looks at, so it was not checked`,
        remedy: 'use a role that may: `pgvantage grants --role reader NAME` prints the rights it needs',
      }
    : {
        severity: 'error',
        code: 'check-failed',
        message: `the check ${preview(name)} failed: ${cause instanceof Error ? cause.message : preview(cause)}`,
        remedy: 'correct what it reports, then run `pgvantage doctor` again: only this check is missing',
      }
