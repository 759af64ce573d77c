import { severityNamed, severityOfNumber } from '../../schema/severityNames.ts'
import { severities, type Severity } from '../../schema/severity.ts'

/**
 * The severity of a log record, by OpenTelemetry's number (1-4 TRACE, 5-8 DEBUG, 9-12 INFO, 13-16
 * WARN, 17-20 ERROR, 21-24 FATAL). Without a number, by the text, if it is one of the usual names.
 * Null otherwise.
 */
export function severityOf(number: number | null | undefined, text: string | null | undefined): Severity | null {
  return severityOfNumber(number) ?? severityNamed(text)
}

/** Whether this severity counts as an error. */
export const isError = (severity: Severity | null): boolean => severity === 'ERROR' || severity === 'FATAL'

/** The greater of two severities; null is the smallest. */
export const greaterSeverity = (a: Severity | null, b: Severity | null): Severity | null => (rank(a) >= rank(b) ? a : b)

const rank = (severity: Severity | null): number => (severity === null ? -1 : severities.indexOf(severity))
