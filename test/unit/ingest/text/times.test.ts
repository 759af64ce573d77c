import fc from 'fast-check'
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LogClock } from '../../../../src/ingest/sources/text/time/logClock.ts'
import { timePattern } from '../../../../src/ingest/sources/text/time/timePattern.ts'
import { timeZone } from '../../../../src/ingest/sources/text/time/timeZone.ts'
import { reading, told } from './reading.ts'

const times = async (lines: readonly string[], options = {}) => (await told(lines, options)).map((line) => line.split(' ')[0])
const syslog = (...times: string[]) => times.map((time) => `${time} web1 app[1]: x`)

/** The years of first lines, read from a file that was last changed at this time. */
async function yearsIn(lines: readonly string[], changed: string, options = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-text-'))
  try {
    const file = join(folder, 'syslog')
    await writeFile(file, lines.join('\n'))
    await utimes(file, new Date(changed), new Date(changed))
    const found: string[] = []
    const { readTextLogs } = await import('../../../../src/ingest/sources/text/readTextLogs.ts')
    for await (const { payload } of readTextLogs(file, { service: 'a', ...options, onMalformed: ({ reason }) => found.push(reason) }))
      found.push(
        new Date(Number(payload.resourceLogs![0]!.scopeLogs[0]!.logRecords[0]!.timeUnixNano! / 1_000_000n)).toISOString().slice(0, 10),
      )
    return found
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe('the year of times without one', () => {
  it('is the last in which the first line is not after the last change of the file', async () => {
    expect(await yearsIn(syslog('Dec 28 10:00:00', 'Dec 29 10:00:00'), '2024-12-29T10:00:00Z')).toEqual(['2024-12-28', '2024-12-29'])
    expect(await yearsIn(syslog('Dec 28 10:00:00'), '2025-01-03T00:00:00Z')).toEqual(['2024-12-28'])
  })

  it('is the next one after New Year, and the one before for a line that came late', async () => {
    const lines = syslog('Dec 31 23:59:59', 'Jan  1 00:00:01', 'Dec 31 23:59:59', 'Jan  1 00:00:02')
    expect(await yearsIn(lines, '2025-01-01T01:00:00Z')).toEqual(['2024-12-31', '2025-01-01', '2024-12-31', '2025-01-01'])
  })

  it('is the same for files that were put together from the newest to the oldest', async () => {
    const lines = syslog('Oct 20 10:00:00', 'Jul 20 10:00:00', 'Jun  1 10:00:00', 'Jun  2 10:00:00')
    expect(await yearsIn(lines, '2025-10-21T00:00:00Z')).toEqual(['2025-10-20', '2025-07-20', '2025-06-01', '2025-06-02'])
  })

  it('is the one with a February 29', async () => {
    expect(await yearsIn(syslog('Feb 29 10:00:00', 'Mar  1 10:00:00'), '2027-05-01T00:00:00Z')).toEqual(['2024-02-29', '2024-03-01'])
  })

  it('is this year or the last for a stream', async () => {
    const soon = new Date(Date.now() + 40 * 86_400_000)
    // The year before has none.
    if (soon.getUTCMonth() === 1 && soon.getUTCDate() === 29) soon.setUTCDate(28)
    const text = soon.toLocaleString('en-US', { month: 'short', day: '2-digit', timeZone: 'UTC' })
    const { recognised } = await reading(syslog(`${text} 10:00:00`))
    expect(recognised).toMatchObject({ year: soon.getUTCFullYear() - 1, timeZone: 'UTC' })
  })

  it('is given for the first line, and goes on from there', async () => {
    expect(await times(syslog('Nov  3 10:00:00', 'Feb  3 10:00:00', 'Jul  3 10:00:00', 'Jan  3 10:00:00'), { year: 2019 })).toEqual([
      '2019-11-03T10:00:00Z',
      '2020-02-03T10:00:00Z',
      '2020-07-03T10:00:00Z',
      '2021-01-03T10:00:00Z',
    ])
  })

  it('is asked for if the lines would go on into the future', async () => {
    const lines = syslog('Mar  3 10:00:00', 'Aug  3 10:00:00', 'Jan  3 10:00:00', 'Apr  3 10:00:00')
    const found = await yearsIn(lines, '2025-04-04T00:00:00Z')
    expect(found[0]).toBe('2025-03-03')
    expect(found.slice(1)).toEqual(Array(3).fill(expect.stringContaining('give the year of the first line')))
  })
})

describe('the zone of times', () => {
  it.each([
    ['2025-07-01 12:00:00 a', {}, '2025-07-01T12:00:00Z', 'UTC'],
    ['2025-07-01 12:00:00 a', { timeZone: 'Europe/Berlin' }, '2025-07-01T10:00:00Z', 'Europe/Berlin'],
    ['2025-07-01 12:00:00 a', { timeZone: '-03:30' }, '2025-07-01T15:30:00Z', '-03:30'],
    ['2025-07-01 12:00:00 a', { timeZone: 'CEST' }, '2025-07-01T10:00:00Z', 'CEST'],
    ['2025-07-01T12:00:00+05:30 a', { timeZone: 'Europe/Berlin' }, '2025-07-01T06:30:00Z', null],
    ['2025-07-01T12:00:00Z a', { timeZone: 'Europe/Berlin' }, '2025-07-01T12:00:00Z', null],
    ['2025-07-01 12:00:00.5 PDT a', {}, '2025-07-01T19:00:00.500Z', null],
    ['2025-07-01 12:00:00 -03 a', {}, '2025-07-01T15:00:00Z', null],
    ['2025-07-01 12:00:00 GMT+2 a', {}, '2025-07-01T10:00:00Z', null],
    ['2025-07-01 12:00:00 UTC+02:00 a', {}, '2025-07-01T10:00:00Z', null],
    ['2025-07-01 12:00:00 CST a', { timeZone: 'America/Chicago' }, '2025-07-01T17:00:00Z', 'America/Chicago'],
    ['1751371200 a', { timeZone: 'Europe/Berlin' }, '2025-07-01T12:00:00Z', null],
  ])('%s %j', async (line, options, at, zone) => {
    const { records, recognised } = await reading([line], options)
    expect([records[0]!.at.replace('.000', ''), recognised!.timeZone]).toEqual([at, zone])
  })

  it('is asked for if its abbreviation has several meanings', async () => {
    const { records, malformed } = await reading(['2025-07-01 12:00:00 CST a'])
    expect([records, malformed]).toEqual([[], ['1: CST is the name of several time zones: give the time zone']])
  })

  it('has an hour twice when clocks are set back: the first, until times go back by more than a minute', async () => {
    const at = (...clocks: string[]) =>
      times(
        clocks.map((clock) => `2025-10-26 ${clock} a`),
        { timeZone: 'Europe/Berlin' },
      )
    expect(await at('02:10:00', '02:50:00', '02:49:30', '02:20:00', '02:59:00', '03:00:00')).toEqual([
      '2025-10-26T00:10:00Z',
      '2025-10-26T00:50:00Z',
      '2025-10-26T00:49:30Z',
      '2025-10-26T01:20:00Z',
      '2025-10-26T01:59:00Z',
      '2025-10-26T02:00:00Z',
    ])
  })

  it('has an hour that no clock shows: it is read as if clocks had not been set yet', async () => {
    expect(await times(['2025-03-30 02:30:00 a', '2025-03-30 03:30:00 a'], { timeZone: 'Europe/Berlin' })).toEqual([
      '2025-03-30T01:30:00Z',
      '2025-03-30T01:30:00Z',
    ])
  })

  it.each(['Mars/Base', 'Europe', '+99:00', 'x'.repeat(200)])('is not %s', async (timeZone) => {
    await expect(reading(['2025-07-01 12:00:00 a'], { timeZone })).rejects.toThrow(/^timeZone: must be a time zone such as Europe\/Berlin/)
  })

  it('agrees with what Intl shows of any moment', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/St_Johns', 'Pacific/Chatham']
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 2_000_000_000 }), (name, second) => {
        const shown = new Intl.DateTimeFormat('sv-SE', { timeZone: name, dateStyle: 'short', timeStyle: 'medium' }).format(second * 1000)
        const local = Date.parse(`${shown.replace(' ', 'T')}Z`)
        expect(timeZone(name).momentsOf(local)).toContain(second * 1000)
      }),
    )
  })
})

describe('dates of numbers', () => {
  const lines = (...dates: string[]) => dates.map((date) => `${date} 10:00:00 INFO a`)

  it.each([
    [
      ['03/04/2025', '03/14/2025'],
      ['2025-03-04', '2025-03-14'],
    ],
    [
      ['03/04/2025', '14/04/2025'],
      ['2025-04-03', '2025-04-14'],
    ],
    [
      ['3.4.2025', '28.4.2025'],
      ['2025-04-03', '2025-04-28'],
    ],
    [
      ['03-04-25', '03-14-25'],
      ['2025-03-04', '2025-03-14'],
    ],
  ])('%j are read in the order that fits all', async (dates, expected) => {
    expect((await times(lines(...dates))).map((time) => time!.slice(0, 10))).toEqual(expected)
  })

  it.each([
    ['03/04/2025', 'dmy or mdy', 'dmy', '2025-04-03'],
    ['03/04/2025', 'dmy or mdy', 'mdy', '2025-03-04'],
    ['04.03.2025', 'dmy or mdy', 'dmy', '2025-03-04'],
    ['03-04-05', 'dmy or mdy or ymd', 'ymd', '2003-04-05'],
    ['25/03/14', 'dmy or ymd', 'ymd', '2025-03-14'],
  ] as const)('%s can be read as %s: it is refused, unless the order is given', async (date, orders, dateOrder, expected) => {
    const line = [`[${date} 10:00:00] a`]
    const { records, malformed } = await reading(line)
    expect([records, malformed]).toEqual([[], [`1: the dates can be read as ${orders} (d day, m month, y year): give the date order`]])
    expect(await times(line, { dateOrder })).toEqual([`${expected}T10:00:00Z`])
  })

  it('with a day that its month does not have are reported, and so is what follows them', async () => {
    const { records, malformed } = await reading(['2025-02-28 10:00:00 a', '2025-02-30 10:00:00 b', '  at c', '2025-03-01 10:00:00 d'])
    expect(records.map(({ body }) => body)).toEqual(['a', 'd'])
    expect(malformed).toEqual([
      '2: the time cannot be right: there is no 30.2.2025 (day, month, year)',
      '3: a line without a header before: what they continue is not there',
    ])
  })
})

describe('times without a date', () => {
  const date = '2025-03-09'

  it('are of the date given, and of the next days past midnight', async () => {
    const lines = [
      '23:59:58.5 INFO a',
      '  at b',
      '00:00:01,250 WARN c',
      '23:59:59.999 INFO late',
      '00:00:02 INFO d',
      '10:00:00 INFO e',
      '09:30:00 INFO f',
      '01:00:00 INFO g',
    ]
    const { records, malformed } = await reading(lines, { date })
    expect(malformed).toEqual([])
    expect(records.map(({ at, level, body }) => `${at} ${level} ${body}`)).toEqual([
      '2025-03-09T23:59:58.500Z INFO a\n  at b',
      '2025-03-10T00:00:01.250Z WARN c',
      '2025-03-09T23:59:59.999Z INFO late',
      '2025-03-10T00:00:02.000Z INFO d',
      '2025-03-10T10:00:00.000Z INFO e',
      '2025-03-10T09:30:00.000Z INFO f',
      '2025-03-11T01:00:00.000Z INFO g',
    ])
  })

  it('are read in a zone, in brackets, of twelve hours, and by a header', async () => {
    expect(await told(['[12:03:44.123] [main] ERROR a.B - x'], { date, timeZone: 'Europe/Berlin' })).toEqual([
      '2025-03-09T11:03:44.123Z ERROR x',
    ])
    expect(await told(['1:03:44 PM INFO x', '12:10:00 AM INFO y'], { date })).toEqual([
      '2025-03-09T13:03:44Z INFO x',
      '2025-03-10T00:10:00Z INFO y',
    ])
    expect(await told(['web 12.03.44 x'], { date, header: '<_> <time:HH.mm.ss> <message>' })).toEqual(['2025-03-09T12:03:44Z - x'])
  })

  it('need it, also with a header', async () => {
    const expected = ['1: its times have no date: give the date of the first line']
    expect((await reading(['12:03:44.123 INFO x'])).malformed).toEqual(expected)
    expect((await reading(['12:03:44 x'], { header: '<time:HH:mm:ss> <message>' })).malformed).toEqual(expected)
    await expect(reading(['12:03:44 x'], { date: '2025-02-30' })).rejects.toThrow('date: must be a date such as 2025-03-09')
    await expect(reading(['12:03:44 x'], { date: '9.3.2025' })).rejects.toThrow('date: must be a date such as 2025-03-09')
  })

  it('are not meant where lines have one', async () => {
    expect(await told(['2024-12-31 12:03:44 INFO x'], { date })).toEqual(['2024-12-31T12:03:44Z INFO x'])
    expect((await reading(['Mar  8 12:03:44 host app: x'], { date, year: 2025 })).records[0]!.at).toBe('2025-03-08T12:03:44.000Z')
  })
})

describe('a pattern of times', () => {
  const clock = new LogClock({ zone: undefined, year: undefined, latest: Date.UTC(2026, 0, 1) })
  const read = (pattern: string, text: string) => {
    const match = timePattern(pattern).match(text, 0)
    if (match === undefined || match.end !== text.length) return undefined
    const moment = clock.moment(match.time)
    return typeof moment === 'bigint' ? moment : undefined
  }

  it.each([
    ['yyyy-MM-dd HH:mm:ss', '2025-03-09T14:05:01', '2025-03-09T14:05:01.000Z'],
    ['dd.MM.yyyy, HH:mm', '09.03.2025,  14:05', '2025-03-09T14:05:00.000Z'],
    ['EEE MMM d HH:mm:ss Z yyyy', 'Sun March  9 14:05:01 CET 2025', '2025-03-09T13:05:01.000Z'],
    ["d/M/yy h:mm a 'Uhr'", '9/3/25 12:05 AM Uhr', '2025-03-09T00:05:00.000Z'],
    ['yyyyMMdd[-HHmmss[.S]]', '20250309', '2025-03-09T00:00:00.000Z'],
    ['yyyyMMdd[-HHmmss[.S]]', '20250309-140501,25', '2025-03-09T14:05:01.250Z'],
    ['yy-MM-dd', '69-03-09', '1969-03-09T00:00:00.000Z'],
    ['yyyy-MM-dd HH:mm:ss', '2016-12-31 23:59:60', '2017-01-01T00:00:00.000Z'],
    ['epoch', '1741529101.123456789', '2025-03-09T14:05:01.123Z'],
  ])('%s reads %s', (pattern, text, expected) => {
    expect(new Date(Number(read(pattern, text)! / 1_000_000n)).toISOString()).toBe(expected)
  })

  it.each([
    ['yyyy-MM-dd', '2025-13-09'],
    ['yyyy-MM-dd HH:mm', '2025-03-09 24:05'],
    ['yyyy-MM-dd', '2025-03-091'],
    ['MMM d', 'Marx 9'],
    ['epoch', '99999999999'],
  ])('%s does not read %s', (pattern, text) => {
    expect(read(pattern, text)).toBeUndefined()
  })

  it.each([
    ['yyyy-MM-dd[', 'has a [ without a ]'],
    ['yyyy]', 'has a ] without a ['],
    ['yyyy-QQ', 'has the letters QQ, which mean nothing'],
  ])('%s is refused: it %s', (pattern, problem) => {
    expect(() => timePattern(pattern)).toThrow(`time: the pattern "${pattern}" ${problem}`)
  })

  it('reads back any time that it wrote', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date('1970-01-01'), max: new Date('2090-01-01'), noInvalidDate: true }), (date) => {
        const iso = date.toISOString()
        const expected = BigInt(date.getTime()) * 1_000_000n
        expect(read('yyyy-MM-dd HH:mm:ss.SZ', iso)).toBe(expected)
        expect(read('yyyyMMddHHmmssS', iso.replaceAll(/\D/g, ''))).toBe(expected)
        expect(read('EEE, d MMM yyyy HH:mm:ss Z', date.toUTCString())).toBe((expected / 1_000_000_000n) * 1_000_000_000n)
      }),
    )
  })
})
