import fc from 'fast-check'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readTextLogs } from '../../../../src/ingest/sources/text/readTextLogs.ts'
import { reading, told } from './reading.ts'

const first = '2025-03-09T14:05:01Z'
const lines = [`${first} INFO open`, `${first} ERROR failed`, '\tat a.B', '\tat a.C', `${first} INFO shut`]
const text = `${lines.join('\n')}\n`
const expected = [`${first} INFO open`, `${first} ERROR failed\n\tat a.B\n\tat a.C`, `${first} INFO shut`]
const bodies = async (bytes: string | Uint8Array) => (await reading(bytes)).records.map(({ body }) => body)

describe('the bytes of a text log', () => {
  it.each([
    ['plain', Buffer.from(text)],
    ['without an end of its last line', Buffer.from(text.trimEnd())],
    ['with CRLF', Buffer.from(text.replaceAll('\n', '\r\n'))],
    ['with a byte order mark', Buffer.from(`\uFEFF${text}`)],
    ['in UTF-16, little-endian', Buffer.from(`\uFEFF${text}`, 'utf16le')],
    ['in UTF-16, big-endian', Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()],
    ['compressed by gzip', gzipSync(text)],
    ['compressed by zstd', zstdCompressSync(text)],
    ['in several members of gzip', Buffer.concat([gzipSync(text.slice(0, 40)), gzipSync(text.slice(40))])],
  ])('may be %s', async (_, bytes) => {
    const { records, malformed } = await reading(bytes)
    expect(records.map(({ at, level, body }) => `${at.replace('.000', '')} ${level} ${body}`)).toEqual(expected)
    expect(malformed).toEqual([])
  })

  it('may be cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 10 }), async (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length]
        const chunks = places.slice(1).map((end, index) => Buffer.from(text).subarray(places[index], end))
        const found: string[] = []
        for await (const { payload } of readTextLogs(Readable.from(chunks), { service: 'a' }))
          found.push(payload.resourceLogs![0]!.scopeLogs[0]!.logRecords[0]!.body!.stringValue!)
        expect(found).toEqual(['open', 'failed\n\tat a.B\n\tat a.C', 'shut'])
      }),
      { numRuns: 50 },
    )
  })

  it('may be no UTF-8, and have NUL', async () => {
    const bytes = Buffer.concat([Buffer.from(`${first} INFO caf`), Buffer.from([0xe9, 0, 0x41]), Buffer.from(`\n${first} INFO ok\n`)])
    expect(await bodies(bytes)).toEqual(['caf\uFFFD\uFFFDA', 'ok'])
  })

  it('that are damaged are reported behind what could be read', async () => {
    const { records, malformed } = await reading(gzipSync(text.repeat(2000)).subarray(0, -200))
    expect(records.length).toBeGreaterThan(100)
    expect(malformed).toEqual([expect.stringMatching(/^\d{2,5}: the gzip stream ends early/)])
  })

  it.each([
    ['nothing', '', []],
    [
      'blank lines',
      '\n\n \n',
      ['1: no header with a time is in its lines: give the header, such as "<time> <level> [<thread>] <logger> - <message>"'],
    ],
    ['prose', 'Read me first\nIn 2025 we began\n', [expect.stringMatching(/^1: no header with a time/)]],
    [
      'a picture',
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 1, 2, 3, 255, 254]),
      [expect.stringMatching(/^1: no header with a time/)],
    ],
    ['times without a date', '10:00:01 a\n10:00:02 b\n', ['1: its times have no date: give the date of the first line']],
  ])('that are %s have no records', async (_, bytes, problems) => {
    const { records, malformed } = await reading(bytes)
    expect([records, malformed]).toEqual([[], problems])
  })

  it('are not all in memory: a line has an end, and so has a record', async () => {
    function* chunks() {
      yield `${first} INFO `
      for (let part = 0; part < 300; part += 1) yield 'x'.repeat(100_000)
      yield `\n${first} INFO ok\n`
      for (let line = 0; line < 20_000; line += 1) yield `  continued ${'y'.repeat(100)}\n`
    }
    const malformed: string[] = []
    const lengths: number[] = []
    const requests = readTextLogs(Readable.from(chunks()), {
      service: 'a',
      onMalformed: ({ line, reason }) => malformed.push(`${line}: ${reason}`),
    })
    for await (const { payload } of requests) lengths.push(payload.resourceLogs![0]!.scopeLogs[0]!.logRecords[0]!.body!.stringValue!.length)
    expect(lengths[0]).toBeLessThanOrEqual(1024 * 1024)
    expect(lengths[1]).toBeLessThanOrEqual(256 * 1024)
    expect(malformed).toEqual([
      expect.stringMatching(/^1: the line is too long: \d+ bytes at its end are left out$/),
      expect.stringMatching(/^2: the record is longer than 262144 characters: \d+ lines at its end are left out$/),
    ])
  })
})

describe('a record of a text log', () => {
  it('is not what continues something before the first header', async () => {
    const { records, malformed } = await reading(['\tat x.Y', 'Caused by: z', ...lines])
    expect(records.map(({ line }) => line)).toEqual([3, 4, 7])
    expect(malformed).toEqual(['1: 2 lines without a header before: what they continue is not there'])
  })

  it('is the same one when the file has grown, was renamed, or is read again', async () => {
    const digests = async (text: string[]) => (await reading(text)).records.map(({ digest }) => digest)
    const all = await digests(lines)
    expect(new Set(all).size).toBe(3)
    expect(await digests(lines.slice(0, 4))).toEqual(all.slice(0, 2))
    // What was written of it by then does not count.
    expect(await digests(lines.slice(0, 2))).toEqual(all.slice(0, 2))
    const twice = await digests([...lines, ...lines])
    expect(twice.slice(0, 3)).toEqual(all)
    expect(new Set(twice).size).toBe(6)
    expect((await reading(lines, { service: 'other' })).records[0]!.digest).not.toBe(all[0])
  })

  it('comes in the order of the file, whatever its time', async () => {
    expect(await told(['2025-03-09 14:00:02 b', '2025-03-09 14:00:01 a', '2025-03-08 14:00:01 c'])).toEqual([
      '2025-03-09T14:00:02Z - b',
      '2025-03-09T14:00:01Z - a',
      '2025-03-08T14:00:01Z - c',
    ])
  })

  it('is split by one format only, that of most lines', async () => {
    const many = Array.from({ length: 20 }, (_, at) => `2025-03-09 14:00:${at + 10},000 INFO [main] a.B - number ${at}`)
    const others = ['{"time":"2025-03-09T15:00:00Z","msg":"x"}', 'Mar  9 16:00:00 web1 app[1]: y']
    const { records } = await reading([...many, ...others])
    expect(records).toHaveLength(20)
    expect(records.at(-1)!.body).toBe(`number 19\n${others.join('\n')}`)
  })

  it('begins with a time in its place, also if the rest of the header is another one', async () => {
    const many = Array.from({ length: 20 }, (_, at) => `2025-03-09 14:00:${at + 10},000 INFO [main] a.B - number ${at}`)
    const { records } = await reading([...many, '2025-03-09 14:01:00,000 free text'])
    expect(records.at(-1)).toMatchObject({ body: 'free text', level: undefined })
  })
})

describe('whatever is in a text log', () => {
  it('each line is in one record, or reported', async () => {
    const line = fc.constantFrom(
      'H',
      'c',
      ' c',
      '\t',
      '2025-03-09T14:05:61Z INFO no second',
      '{"a":1}',
      'Mar  9 14:05:01 a b: c',
      '\u001b[0m',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 40 }), async (kinds) => {
        const written = [...kinds.map((kind, at) => (kind === 'H' ? `${first} INFO head ${at}` : `${kind} ${at}`)), `${first} INFO last`]
        const { records, malformed } = await reading(written, { header: '<time:yyyy-MM-dd HH:mm:ssZ> <level> <message>' })
        const reported = malformed.map((text) => Number(/(\d+) lines? without/.exec(text)?.[1] ?? 1))
        const read = records.flatMap(({ body }) => body.split('\n'))
        expect(read.length + reported.reduce((sum, count) => sum + count, 0)).toBe(written.length)
        expect(records.map(({ body }) => body.split('\n')[0])).toEqual(
          written.filter((text) => text.startsWith(`${first} INFO`)).map((text) => text.slice(first.length + ' INFO '.length)),
        )
      }),
    )
  })

  it('bytes are records or reported, and never an error', async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc
        .constantFrom(`${first} INFO a`, '{"time":1741529101,"msg":"', '<34>Mar  9 14:05:01 a b[', '}', '\n', '[', ' - ')
        .map((text) => Buffer.from(text)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 20 }), async (pieces) => {
        const { records, malformed } = await reading(Buffer.concat(pieces))
        for (const { body } of records) expect(body.includes('\0') || !body.isWellFormed()).toBe(false)
        expect(malformed.every((text) => text.length < 500)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a header that is given', () => {
  it.each([
    [
      '<time> <level> [<thread>] <logger> - <message>',
      '2025-03-09 14:05:01 AUDIT [a b] x.Y -  hello',
      'AUDIT',
      'hello',
      { thread: 'a b', logger: 'x.Y' },
    ],
    ['<time>|<logger>|<_>|<message>', '2025-03-09 14:05:01|x|9|a|b', undefined, 'a|b', { logger: 'x' }],
    ['<level>:<app.name>:<time:dd.MM.yyyy HH:mm>:<message>', 'WARN:shop: 09.03.2025 14:05:low', 'WARN', 'low', { 'app.name': 'shop' }],
    ['\\<<priority>><time> <message>', '<11>2025-03-09 14:05:01 x', '3', 'x', {}],
    ['<_> [<time>] <message>', '[a] [b] [2025-03-09 14:05:01] x', undefined, 'x', {}],
  ])('%s', async (header, line, level, body, fields) => {
    const { records, recognised } = await reading([line, 'more'], { header })
    expect(records).toEqual([expect.objectContaining({ level, body: `${body}\nmore`, fields })])
    expect(recognised).toMatchObject({ format: 'header as given' })
  })

  it('has several forms, the first that matches counts; other lines continue', async () => {
    const header = ['<time> <level> <message>', 'at <time:dd/MM/yyyy HH:mm>: <message>']
    expect(await told(['2025-03-09 14:05:01 INFO a', 'at 03/04/2025 14:05: b', '  c', '2025-03-09 15 d'], { header })).toEqual([
      '2025-03-09T14:05:01Z INFO a',
      '2025-04-03T14:05:00Z - b\n  c\n2025-03-09 15 d',
    ])
  })

  it('must be in the lines', async () => {
    const { malformed } = await reading(lines, { header: 'x <time> <message>' })
    expect(malformed).toEqual([expect.stringMatching(/^1: no line begins with the header that was given/)])
  })

  it.each([
    ['<level> <message>', 'must have <time> once'],
    ['<time> <time> <message>', 'must have <time> once'],
    ['<time> <level>', 'must end with <message>'],
    ['<message> <time>', 'must end with <message>'],
    ['<time> <a><b> <message>', 'must have text between <a> and <b>'],
    ['<time> <1> <message>', 'must have names of letters'],
    ['<time> < <message>', 'must have \\< for a < that begins no field'],
    ['<time:qq> <message>', 'has the letters qq'],
    ['x'.repeat(2000), 'must be at most 1,000 characters'],
  ])('%s is refused: it %s', async (header, problem) => {
    await expect(reading(lines, { header })).rejects.toThrow(problem)
    await expect(reading(lines, { header })).rejects.toThrow(/^header: /)
  })
})

it('ends when it is aborted, also while a stream is silent', async () => {
  const abort = new AbortController()
  const silent = async function* () {
    yield text
    await new Promise(() => {})
  }
  const requests = readTextLogs(silent(), { service: 'a', signal: abort.signal })
  const next = requests.next()
  abort.abort(new Error('enough'))
  await expect(next).rejects.toThrow('enough')
})

it.each([
  [{}, 'service'],
  [{ service: '' }, 'service'],
  [{ service: 'a', header: [] }, 'header'],
  [{ service: 'a', year: 25 }, 'year'],
  [{ service: 'a', dateOrder: 'dym' }, 'dateOrder'],
  [{ service: 'a', zone: 'UTC' }, 'options'],
])('refuses %j and names %s', async (options, field) => {
  await expect(readTextLogs(Readable.from([text]), options as never).next()).rejects.toThrow(new RegExp(`^${field}: `))
})
