import { severities, type Severity } from './severity.ts'

/**
 * The severity that a text names: null if it names none.
 *
 * | | |
 * |---|---|
 * | names | of OpenTelemetry, syslog, and the usual logging libraries: `warning`, `notice`, `crit`, `Verbose`, `panic` |
 * | one letter | `V`, `T`, `D`, `I`, `W`, `E`, `C`, `F` |
 * | a step of a level | as the level: `INFO2`, `DEBUG5` |
 * | 0 to 7 | the number of syslog |
 * | brackets, a colon, `LogLevel.` | do not count |
 */
export function severityNamed(text: string | null | undefined): Severity | null {
  if (text == null || text.length > 64) return null
  const trimmed = text.trim()
  if (/^[0-7]$/.test(trimmed)) return ofSyslog[Number(trimmed)]!
  const words = trimmed.toUpperCase().match(/[A-Z]+/g)
  const rest = trimmed.replace(/[A-Za-z]+/g, 'x')
  const isName = words !== null && /^[[(<]?(?:x\.)?x\d?[\])>]?:?$/.test(rest)
  return isName ? (names.get(words.at(-1)!) ?? null) : null
}

/**
 * The severity in a field of a message, by the field's name and its value; null if the value is no
 * severity.
 *
 * | a number | is of |
 * |---|---|
 * | 0 to 7 | syslog |
 * | 1 to 24 in `severityNumber`, `severity_number` | OpenTelemetry |
 * | 10 to 60 | pino and bunyan; in `levelno` Python |
 * | 100 to 800 in `severity` | Google Cloud |
 * | 100 to 600 in `level` | Monolog |
 */
export function severityOfField(field: string, value: unknown): Severity | null {
  const isNumber = typeof value === 'number' || (typeof value === 'string' && /^\s*\d{1,3}\s*$/.test(value))
  if (!isNumber) return typeof value === 'string' ? severityNamed(value) : null
  const number = Number(value)
  const name = field.toLowerCase().replace(/[^a-z]/g, '')
  if (name === 'severitynumber') return severityOfNumber(number)
  if (Number.isInteger(number) && number >= 0 && number <= 7) return ofSyslog[number]!
  if (name === 'levelno') return steps(number / 10, ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'])
  if (number >= 100 && name === 'severity')
    return steps(number / 100, ['DEBUG', 'INFO', 'INFO', 'WARN', 'ERROR', 'FATAL', 'FATAL', 'FATAL'])
  if (number >= 100) return steps(number / 100, ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'FATAL'])
  return number >= 10 && number < 70 ? steps(number / 10, severities) : null
}

/** By OpenTelemetry's number: 1 to 24. */
export function severityOfNumber(number: number | null | undefined): Severity | null {
  return number != null && number >= 1 && number <= 24 ? severities[Math.floor((number - 1) / 4)]! : null
}

const steps = (step: number, levels: readonly Severity[]): Severity | null => levels[Math.floor(step) - 1] ?? null

/** Emergency, alert, critical, error, warning, notice, informational, debug. */
const ofSyslog: readonly Severity[] = ['FATAL', 'FATAL', 'FATAL', 'ERROR', 'WARN', 'INFO', 'INFO', 'DEBUG']

const names = new Map<string, Severity>(
  (
    [
      ['TRACE', 'TRACE TRC T TRACING VERBOSE VRB VRBS V FINER FINEST SILLY'],
      ['DEBUG', 'DEBUG DBG DEBG DEB D FINE CONFIG'],
      ['INFO', 'INFO INF INFORMATION INFORMATIONAL I NOTICE NOTE HINT LOG SUCCESS'],
      ['WARN', 'WARN WARNING WRN W'],
      ['ERROR', 'ERROR ERR ERRO EROR ERRR E SEVERE FAILURE'],
      ['FATAL', 'FATAL FTL FATL F CRITICAL CRIT CRT C ALERT EMERGENCY EMERG PANIC DPANIC'],
    ] as const
  ).flatMap(([severity, all]) => all.split(' ').map((name) => [name, severity] as const)),
)
