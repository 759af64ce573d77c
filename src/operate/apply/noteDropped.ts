import { qualified, type Installation } from '../../database/installation/installation.ts'
import { quoteLiteral } from '../../database/sql/identifier.ts'
import { interval } from './literals.ts'

/**
 * The statement that records which buckets a retention may have dropped so far, before the
 * retention is changed or removed.
 *
 * A job drops whole chunks whose end is old enough; chunks are aligned to the epoch. If the job has
 * not run lately, the record is too cautious, which is safe.
 */
export const noteDropped = (installation: Installation, { object }: { object: string }, chunk: string, retain: string): string =>
  `update ${qualified(installation, 'pgvantage_time_table')} as known
set dropped_before = dropped.before
from (select date_bin(${interval(chunk)}, now() - ${interval(retain)}, timestamptz '1970-01-01 00:00:00+00')) as dropped (before)
where known.name = ${quoteLiteral(object)} and known.dropped_before < dropped.before`
