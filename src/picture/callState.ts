export interface CallMeasures {
  /** 0..1. */
  err_rate?: number | null
  p95_ms?: number | null
  /** The normal value for this call, if known. */
  normal_err_rate?: number | null
  normal_p95_ms?: number | null
}

export type CallState = 'calm' | 'warning' | 'critical'

/**
 * How far a call is from normal: the worse of its errors and its latency.
 *
 * | | warning | critical |
 * |---|---|---|
 * | error ratio minus the normal one (0 if unknown) | from 1 % | from 5 % |
 * | p95 divided by the normal p95 (ignored if unknown) | from 2 | from 4 |
 */
export function callState({ err_rate, p95_ms, normal_err_rate, normal_p95_ms }: CallMeasures): CallState {
  const errors = (err_rate ?? 0) - (normal_err_rate ?? 0)
  const slower = p95_ms && normal_p95_ms ? p95_ms / normal_p95_ms : 1
  if (errors >= 0.05 || slower >= 4) return 'critical'
  return errors >= 0.01 || slower >= 2 ? 'warning' : 'calm'
}
