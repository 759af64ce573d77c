import { severityNamed } from '../../../../schema/severityNames.ts'
import { HeaderTemplate, type Header } from './headerTemplate.ts'
import type { LineFormat, LineRecord } from './lineFormat.ts'
import { timePattern, type TimePattern } from '../time/timePattern.ts'

/** The record of a line and its header. */
export const recordOf = (line: string, { time, level, fields, at }: Header): LineRecord => ({
  time,
  level,
  fields,
  message: line.slice(at),
})

/** A format of templates: the first that matches counts. */
function ofTemplates(name: string, texts: readonly string[], after: (record: LineRecord) => LineRecord = (record) => record): LineFormat {
  const templates = texts.map((text) => HeaderTemplate.read(text))
  const exact = (line: string): Header | undefined => {
    for (const template of templates) {
      const header = template.match(line)
      if (header !== undefined) return header
    }
    return undefined
  }
  return {
    name,
    header: texts[0]!,
    joins: true,
    read(line) {
      const header = exact(line) ?? templates[0]!.match(line, 'partial')
      return header && after(recordOf(line, header))
    },
    fits: (line) => exact(line) !== undefined,
  }
}

/** The severity of an answer of HTTP: that of a server's span. */
function withStatus(record: LineRecord): LineRecord {
  const status = /" (\d)\d\d(?: |$)/.exec(record.message)?.[1]
  return status === undefined ? record : { ...record, level: status === '5' ? 'ERROR' : 'INFO' }
}

const request = /^"(?:[A-Z]{1,20} [^"]|-"|\\x|[^"]{0,200}" \d{3} )/

const access: LineFormat = (() => {
  const format = ofTemplates(
    'access log of nginx or Apache',
    ['<client.address> <_> <user.name> [<time:dd/MMM/yyyy:HH:mm:ss Z>] <message>'],
    withStatus,
  )
  const named: LineFormat['read'] = (line) => {
    const record = format.read(line)
    return record && { ...record, fields: record.fields.filter(([, value]) => value !== '-') }
  }
  return { ...format, read: named, fits: (line) => format.fits(line) && request.test(named(line)?.message ?? '') }
})()

/** The keywords of PostgreSQL's messages, which may be anywhere behind its prefix. */
const keyword = /(?:^|\s)(DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION): {1,2}/
const addition = /^(?:DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION)$/

const postgres: LineFormat = (() => {
  const template = HeaderTemplate.read('<time:yyyy-MM-dd HH:mm:ss[.S][Z]> <message>')
  const read = (line: string): LineRecord | undefined => {
    const header = template.match(line)
    if (header === undefined) return undefined
    const record = recordOf(line, header)
    const found = keyword.exec(record.message.slice(0, 512))
    if (found === null) return record
    const [whole, level] = found
    const at = found.index + whole.length
    // A remark on the message before has no severity of its own.
    return addition.test(level!)
      ? { ...record, message: record.message.slice(at - whole.trimStart().length) }
      : { ...record, level, message: record.message.slice(at) }
  }
  const fits = (line: string) => {
    const header = template.match(line)
    return header !== undefined && /(?:^|\s)[A-Z]{3,9}\d?: {2}/.test(line.slice(header.at, header.at + 512)) && keyword.test(line)
  }
  return { name: 'PostgreSQL', header: '<time> <_> <level>:  <message>', joins: true, read, fits }
})()

/** The type of a record of auditd is most of what it says. */
const auditd = ofTemplates('auditd', ['type=<type> msg=audit(<time:epoch>:<_>): <message>'], (record) => ({
  ...record,
  fields: [],
  message: `${record.fields[0]?.[1] ?? ''} ${record.message}`,
}))

/** The csvlog of PostgreSQL; its statements may have several lines. */
const postgresCsv: LineFormat = (() => {
  const format = ofTemplates('PostgreSQL (csvlog)', ['<time:yyyy-MM-dd HH:mm:ss.S Z>,<message>'])
  // Behind the time; the level is followed by the code of the error.
  const [levelColumn, codeColumn, messageColumn] = [10, 11, 12]
  return {
    ...format,
    fits(line) {
      const columns = csvColumns(format.read(line)?.message ?? '', messageColumn)
      return severityNamed(columns[levelColumn]) !== null && /^[0-9A-Z]{5}$/.test(columns[codeColumn] ?? '')
    },
    whole(body) {
      const columns = csvColumns(body, messageColumn)
      return { level: columns[levelColumn], message: columns[messageColumn] ?? body }
    },
  }
})()

/** The columns of a row of CSV, up to this one. */
function csvColumns(text: string, last: number): string[] {
  const columns: string[] = []
  let at = 0
  while (columns.length <= last && at <= text.length) {
    if (text[at] !== '"') {
      const end = text.indexOf(',', at)
      columns.push(text.slice(at, end === -1 ? undefined : end))
      at = end === -1 ? text.length + 1 : end + 1
      continue
    }
    let end = text.indexOf('"', at + 1)
    while (end !== -1 && text[end + 1] === '"') end = text.indexOf('"', end + 2)
    columns.push(text.slice(at + 1, end === -1 ? undefined : end).replaceAll('""', '"'))
    at = end === -1 ? text.length + 1 : end + 2
  }
  return columns
}

/** Where the time of a line may stand, and how it is written. */
export interface Placement {
  /** The template of what precedes the time. */
  readonly prefix: string
  readonly pattern: TimePattern
}

/** The tag of syslog: a program, perhaps with its number. */
const tag = /(?:([^\s:[\]]{1,64}|[^:[\]]{1,48}(?=\[))(?:\[([^\s\]]{0,64})\])?:|([^\s:[\]]{1,64})\[(\d{1,10})\])(?=\s|$)/y

/** Syslog in files: RFC 3164, also with times of ISO 8601, with or without its number. */
function syslog({ prefix, pattern }: Placement, isCertain: boolean): LineFormat {
  const before = prefix.endsWith('\\<<_>>') ? '' : prefix
  const templates = [`\\<<priority>><time> <host.name> <message>`, `${before}<time> <host.name> <message>`].map((text) =>
    HeaderTemplate.read(text).with(pattern),
  )
  const read = (line: string): LineRecord | undefined => {
    const template = before === '' && line.startsWith('<') ? templates[0]! : templates[1]!
    const header = template.match(line)
    if (header === undefined) return undefined
    tag.lastIndex = header.at
    const found = tag.exec(line)
    if (found === null) return recordOf(line, header)
    const [, program, id, other, number] = found
    const fields = [...header.fields, ['process.executable.name', program ?? other!] as const]
    const process = id ?? number
    if (process !== undefined && process !== '') fields.push(['process.pid', process])
    let at = tag.lastIndex
    while (line[at] === ' ') at += 1
    return { ...recordOf(line, header), fields, message: line.slice(at) }
  }
  return {
    name: 'syslog',
    header: `${before}<time> <host.name> <process.executable.name>[<process.pid>]: <message>`,
    joins: true,
    read,
    fits(line) {
      const record = read(line)
      const host = record?.fields.find(([name]) => name === 'host.name')?.[1]
      if (record === undefined || host === undefined || severityNamed(host) !== null || !/^[\w.:/-]+$/.test(host)) return false
      return record.fields.some(([name]) => name === (isCertain ? 'process.executable.name' : 'process.pid'))
    },
  }
}

/** Syslog of RFC 5424. */
const syslog5424: LineFormat = (() => {
  const format = ofTemplates('syslog (RFC 5424)', [
    '\\<<priority>><_> <time:yyyy-MM-dd HH:mm:ss[.S][Z]> <host.name> <process.executable.name> <process.pid> <_> <message>',
  ])
  return {
    ...format,
    read(line) {
      const record = format.read(line)
      return (
        record && {
          ...record,
          fields: record.fields.filter(([, value]) => value !== '-'),
          message: record.message.slice(structuredData(record.message)).replace(/^\uFEFF?/, ''),
        }
      )
    },
  }
})()

/** Where the structured data of RFC 5424 ends. */
function structuredData(text: string): number {
  let at = text.startsWith('-') ? 1 : 0
  while (text[at] === '[') {
    let isQuoted = false
    for (at += 1; at < text.length && (isQuoted || text[at] !== ']'); at += 1) {
      if (text[at] === '\\' && isQuoted) at += 1
      else if (text[at] === '"') isQuoted = !isQuoted
    }
    at += 1
  }
  while (text[at] === ' ') at += 1
  return Math.min(at, text.length)
}

const glog = ofTemplates('glog, klog', [
  '<level><time:MMdd HH:mm:ss[.S]> <thread.id> <code.location>] <message>',
  '<level><time:yyyyMMdd HH:mm:ss[.S]> <thread.id> <code.location>] <message>',
])

const ruby = ofTemplates('Logger of Ruby', ['<_>, [<time:yyyy-MM-dd HH:mm:ss[.S]> #<process.pid>] <level> -- <logger>: <message>'])

const android = ofTemplates('logcat of Android', [
  '<time:MM-dd HH:mm:ss.S> <process.pid> <thread.id> <level> <tag>: <message>',
  '<time:MM-dd HH:mm:ss.S> <level>/<tag>(<process.pid>): <message>',
])

const windows = ofTemplates('CBS of Windows', ['<time:yyyy-MM-dd HH:mm:ss>, <level> <component> <message>'])

const spark = ofTemplates('Spark, Hadoop', [
  '<time:yy/MM/dd HH:mm:ss> <level> <logger>: <message>',
  '<time:yy/MM/dd HH:mm:ss> <level> <logger> - <message>',
])

/** The formatter of java.util.logging: where it was logged, and below the level and the message. */
const javaLogging: LineFormat = (() => {
  const header = '<time:MMM d, yyyy h:mm:ss a> <message>'
  const format = ofTemplates('java.util.logging', [header])
  return {
    ...format,
    fits: (line) => /^[\w$.]{1,200} [\w$<>]{1,100}$/.test(format.read(line)?.message ?? ''),
    whole(body) {
      const [, level, message] = /^[^\n]*\n([A-Z]{1,16}): ?([^]*)$/.exec(body) ?? []
      return level === undefined || severityNamed(level) === null ? { message: body } : { level, message: message! }
    },
  }
})()

/** What `journalctl -o export` writes: fields, one on a line, and a blank line behind each entry. */
const journalExport: LineFormat = (() => {
  const time = timePattern('epoch')
  const name = '__REALTIME_TIMESTAMP='
  const read = (line: string): LineRecord | undefined => {
    const found = line.startsWith(name) ? time.match(line, name.length) : undefined
    return found && { time: found.time, fields: [], message: '' }
  }
  return {
    name: 'export of journald',
    joins: true,
    read,
    fits: (line) => read(line) !== undefined,
    isBetween: (line) => line.startsWith('__CURSOR='),
    whole(body) {
      const level = /^PRIORITY=([0-7])$/m.exec(body)?.[1]
      const start = /^MESSAGE(?:=|$)/m.exec(body)
      if (start === null) return { level, message: body }
      const text = body.slice(start.index + start[0].length)
      // A message of several lines follows its length, a number of eight bytes.
      const isLong = start[0] === 'MESSAGE'
      const end = isLong ? text.search(/\n[A-Z_][A-Z0-9_]{0,63}(?:=|$)/m) : text.indexOf('\n')
      const message = end === -1 ? text : text.slice(0, end)
      return { level, message: isLong ? message.replace(/^\n[^]{0,3}?\uFFFD{4,8}/, '') : message }
    },
  }
})()

/**
 * The formats that are known by name. All others are recognised by the place of their time, their
 * level and what is around these.
 */
export const knownFormats = (placements: readonly Placement[]): LineFormat[] => [
  access,
  syslog5424,
  glog,
  ruby,
  android,
  windows,
  spark,
  auditd,
  postgresCsv,
  postgres,
  javaLogging,
  journalExport,
  ...placements.flatMap((placement) =>
    placement.pattern.text.startsWith('MMM d')
      ? [syslog(placement, true)]
      : placement.pattern.text.startsWith('yyyy-MM-dd H:mm[')
        ? [syslog(placement, false)]
        : [],
  ),
]
