import type { Finding } from '../../database/checks/check.ts'
import type { Drift } from './schemaDrift.ts'

/** The finding for a difference of the schema. */
export function driftFinding(drift: Drift): Finding {
  const { kind, what, name, expected, actual } = drift
  // These are compared by a hash, so there is no text to show.
  const opaque = what === 'function' || what === 'view'
  const message = {
    missing: `${what} ${name} is missing${what === 'trigger' ? ': late rows do not reach its rollup' : ''}`,
    added: `${what} ${name} was not created by pgvantage: ${actual}`,
    changed: opaque
      ? `${what} ${name} is not the one this version of pgvantage installs`
      : `${what} ${name} is "${actual}", not "${expected}"`,
  }[kind]
  return { severity: kind === 'added' ? 'warning' : 'error', code: 'drift', message, remedy: driftRemedy(drift) }
}

/**
 * Our code restores the functions of sql/. It does not restore parts of a table, since its rows are
 * at risk.
 */
function driftRemedy({ kind, what, expected }: Drift): string {
  if (kind === 'added')
    return 'keep it if you added it on purpose; drop it before `pgvantage migrate down` only if that fails because of it'
  if (what === 'function' || what === 'domain') return 'run `pgvantage migrate up`, which installs it again'
  if (what === 'view') {
    return 'create it again with the statement that `pgvantage migrate plan --sql --schema NEW` prints for it; its rows are not in it, except where it was a continuous aggregate'
  }
  if (what === 'trigger') {
    return `${kind === 'missing' ? 'create it again' : 'change it back'}: ${expected}; then roll up again what was written since`
  }
  if (what === 'table' && kind === 'missing') return 'restore it from a backup'
  return `change it back${expected === null ? '' : ` to: ${expected}`}`
}
