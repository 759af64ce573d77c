import type { Check, Examined, Finding } from '../../database/checks/check.ts'
import { withoutTrace } from '../../database/transaction/inTransaction.ts'
import { sqlStateOf } from '../../database/sqlState.ts'
import { preview } from '../../schema/parse.ts'

/** What the checks find, in their order. One that fails is a finding itself. */
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

/** What the role may not read could not be looked at, which is no fault of what is there. */
const failed = ({ name }: Check, cause: unknown): Finding =>
  sqlStateOf(cause) === '42501'
    ? {
        severity: 'warning',
        code: 'not-checked',
        message: `${name}: this role may not read what the check looks at, so nothing is known of it`,
        remedy: 'let a role look that may: `pgvantage grants --role reader NAME` prints what it needs',
      }
    : {
        severity: 'error',
        code: 'check-failed',
        message: `the check ${preview(name)} failed: ${cause instanceof Error ? cause.message : preview(cause)}`,
        remedy: 'put right what it says, then run `pgvantage doctor` again: what this check looks at is not known, the other findings are',
      }
