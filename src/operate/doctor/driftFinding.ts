import type { Finding } from '../../database/checks/check.ts'
import type { Drift } from './schemaDrift.ts'

/** What a difference of the schema means, and what to do about it. */
export function driftFinding(drift: Drift): Finding {
  const { kind, what, name, expected, actual } = drift
  // Only a hash is known of these, so there is nothing to show.
  const opaque = what === 'function' || what === 'view'
  const message = {
    missing: `${what} ${name} is missing${what === 'trigger' ? ': what is written late does not reach its rollup' : ''}`,
    added: `${what} ${name} was not created by pgvantage: ${actual}`,
    changed: opaque
      ? `${what} ${name} is not the one this version of pgvantage installs`
      : `${what} ${name} is "${actual}", not "${expected}"`,
  }[kind]
  return { severity: kind === 'added' ? 'warning' : 'error', code: 'drift', message, remedy: driftRemedy(drift) }
}

/**
 * The functions of sql/ are put back by code of ours; a table's own parts are not, for its rows are
 * at stake.
 */
function driftRemedy({ kind, what, expected }: Drift): string {
  if (kind === 'added') return 'keep it if it is meant; it has to be dropped before `pgvantage migrate down` only if it stands in its way'
  if (what === 'function' || what === 'domain') return 'run `pgvantage migrate up`, which installs it again'
  if (what === 'view') {
    return 'create it again with the statement that `pgvantage migrate plan --sql --schema NEW` prints for it; its rows are not in it, except where it was a continuous aggregate'
  }
  if (what === 'trigger') {
    return `${kind === 'missing' ? 'create it again' : 'change it back'}: ${expected}; then have what was written meanwhile rolled again`
  }
  if (what === 'table' && kind === 'missing') return 'restore it from a backup'
  return `change it back${expected === null ? '' : ` to: ${expected}`}`
}
