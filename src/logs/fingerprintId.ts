import { z } from 'zod'

/** An id of `log_pattern`, as text. */
export const fingerprintId = z
  .string()
  .refine(
    (text) => /^\d{1,19}$/.test(text) && BigInt(text) < 2n ** 63n,
    'must be a fingerprint_id: a whole number as text, at most 9223372036854775807',
  )
