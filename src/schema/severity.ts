import { z } from 'zod'

/**
 * Log and event severities, least to most severe: the short names of OpenTelemetry's severity
 * ranges.
 */
export const severities = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const
export type Severity = (typeof severities)[number]

export const severity = z.enum(severities)
