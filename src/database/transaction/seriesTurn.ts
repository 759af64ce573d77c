import { quoteIdentifier } from '../sql/identifier.ts'
import type { Installation } from '../installation/installation.ts'

/**
 * The name of the lock for removing series of metrics. `note_metric_series` shares it, so it waits
 * for transactions that have written metrics, and they wait for it.
 */
export const seriesTurn = ({ schema }: Pick<Installation, 'schema'>): string => `pgvantage series ${quoteIdentifier(schema)}.metric_series`
