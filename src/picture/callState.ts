export interface CallMeasures {
  /** 0..1. */
  err_rate?: number | null
  p95_ms?: number | null
  /** What is normal for this call, where that is known. */
  normal_err_rate?: number | null
  normal_p95_ms?: number | null
}

export type CallState = 'calm' | 'warning' | 'critical'

/**
 * How far a call is from normal: the worse of its errors and its latency.
 *
 * Errors: the ratio above normal (0 where normal is not known), warning from 1 %, critical from 5
 * %. Latency: p95 over normal p95, warning from twice, critical from four times; without a normal,
 * latency says nothing.
 */
export function callState({ err_rate, p95_ms, normal_err_rate, normal_p95_ms }: CallMeasures): CallState {
  const errors = (err_rate ?? 0) - (normal_err_rate ?? 0)
  const slower = p95_ms && normal_p95_ms ? p95_ms / normal_p95_ms : 1
  if (errors >= 0.05 || slower >= 4) return 'critical'
  return errors >= 0.01 || slower >= 2 ? 'warning' : 'calm'
}
