import { link, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { dimensionList } from '../../../src/cli/ingestCommand.ts'
import { openedLate } from '../../../src/cli/ingest/openedLate.ts'
import { refuseInput } from '../../../src/cli/readable.ts'
import { Rejects } from '../../../src/cli/ingest/rejects.ts'
import { run } from '../../../src/cli/run.ts'
import { readOtlp } from '../../../src/ingest/sources/readOtlp.ts'
import { all, log, logs } from '../ingest/telemetry.ts'

it('says the first ten rejects, and then how many there are of each kind', () => {
  let said = ''
  const rejects = new Rejects((text) => (said += text))
  expect([rejects.count, rejects.summary()]).toEqual([0, ''])
  for (let line = 1; line <= 12; line += 1) {
    rejects.malformed({ file: 'a.jsonl', line, reason: `not JSON: Unexpected token ${line}` })
    rejects.refused({ file: 'a.jsonl', line, kind: 'spans', records: 2, field: `spans.${line}`, reason: 'spans.kind must be 1' })
  }
  rejects.malformed({ file: 'b.pb', line: 7, reason: 'it ends after 56 of 90 bytes (the message at byte 120)' })
  expect(said.split('\n').slice(0, 2)).toEqual([
    'a.jsonl:1: not JSON: Unexpected token 1',
    'a.jsonl:1: spans.1: spans.kind must be 1 (2 records)',
  ])
  expect(said.split('\n')).toHaveLength(11)
  expect(rejects.count).toBe(37)
  expect(rejects.summary().split('\n')).toEqual([
    'and 15 more (--rejects FILE keeps them all); by reason:',
    '         24  spans.kind must be 1',
    '         12  not JSON',
    '          1  it ends after N of N bytes',
    '',
  ])
})

it('bounds the kinds that it shows and keeps', () => {
  const rejects = new Rejects(() => {})
  const letters = (number: number) => String.fromCharCode(97 + (number % 26), 97 + ((number / 26) % 26), 97 + number / 676)
  for (let number = 0; number < 3000; number += 1) rejects.malformed({ file: 'a', line: 1, reason: letters(number) })
  expect(rejects.summary().split('\n')).toHaveLength(1 + 20 + 1 + 1)
  expect(rejects.summary()).toContain('and 980 reasons more')
})

it('opens a file when its first byte is wanted, and names it by its path', async () => {
  let opened = 0
  let read = 0
  const file = openedLate(
    '/var/log/a.jsonl',
    async function* () {
      opened += 1
      yield `${JSON.stringify(logs('a', [log(0, 'x')]))}\nbad`
    },
    (bytes) => (read += bytes),
  )
  const malformed: unknown[] = []
  const requests = readOtlp(file, { onMalformed: (entry) => malformed.push(entry) })
  expect(opened).toBe(0)
  expect(await all(requests)).toMatchObject([{ origin: { objectBucket: '/var/log', objectKey: 'a.jsonl' } }])
  expect([opened, read > 100]).toEqual([1, true])
  expect(malformed).toMatchObject([{ file: '/var/log/a.jsonl', line: 2 }])
})

it('reads which values are counted, of which records, and how they are kept', () => {
  expect(dimensionList('user,client=value, exception@logs ,plan:app.plan+plan@logs=hash,key:a:b')).toEqual([
    { dimension: 'user', from: ['user.id', 'enduser.id'], of: 'requests', keep: 'hash' },
    { dimension: 'client', from: ['client.address', 'http.client_ip'], of: 'requests', keep: 'value' },
    { dimension: 'exception', from: ['exception.type'], of: 'logs', keep: 'value' },
    { dimension: 'plan', from: ['app.plan', 'plan'], of: 'logs', keep: 'hash' },
    { dimension: 'key', from: ['a:b'] },
  ])
})

it.each([
  ['plan', 'plan must be one of user, session, client, endpoint, exception, or your own as name:attribute.'],
  ['plan:a@events', 'plan:a@events must say @requests, @spans or @logs.'],
  ['user@', 'user@ must say @requests, @spans or @logs.'],
  ['user=none', 'user=none must end with =value or =hash.'],
])('refuses to count %s', (text, reason) => {
  expect(() => dimensionList(text)).toThrow(reason)
})

it('never writes its rejects over what it is to read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-rejects-'))
  try {
    const [input, linked, hard, other] = ['in.jsonl', 'linked', 'hard', 'other'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
      string,
    ]
    await writeFile(input, 'telemetry')
    await symlink(input, linked)
    await link(input, hard)
    for (const rejects of [input, linked, hard]) {
      let said = ''
      const args = ['ingest', other, input, '--tenant', 't', '--database', 'postgres://nobody@127.0.0.1:1/x', '--rejects', rejects]
      await writeFile(other, '')
      expect(await run(args, { env: {}, err: (text) => (said += text) })).toBe(2)
      expect(said).toContain(`error: --rejects: ${rejects} is one of the files to read`)
    }
    expect(await readFile(input, 'utf8')).toBe('telemetry')
    await refuseInput(join(folder, 'new'), ['-', input])
    await refuseInput('/dev/null', ['/dev/null'])
  } finally {
    await rm(folder, { recursive: true })
  }
})

it.each([
  [['-'], '-, the standard input, is no file: it cannot be followed'],
  [['a.jsonl', '--strict'], '--strict: is of a load that ends: it cannot be given with --follow'],
])('refuses to follow %j', async (args, problem) => {
  let err = ''
  const code = await run(['ingest', '--follow', ...args, '--tenant', 't'], { env: {}, err: (text) => (err += text) })
  expect([code, err]).toEqual([2, expect.stringContaining(problem)])
})

it('takes a node with --follow only', async () => {
  let err = ''
  const code = await run(['ingest', 'a.jsonl', '--node', 'n', '--tenant', 't'], { env: {}, err: (text) => (err += text) })
  expect([code, err]).toEqual([2, expect.stringContaining('--node: is of files that are followed: give --follow with it')])
})

it('keeps rejects of followed files out of these files, also if the file is made only now', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  try {
    let err = ''
    const rejects = join(folder, 'rejects.log')
    const args = ['ingest', '--follow', join(folder, '*.log'), '--rejects', rejects, '--tenant', 't']
    const code = await run(args, { env: {}, err: (text) => (err += text) })
    expect([code, err]).toEqual([2, expect.stringContaining('is one of the files to read')])
  } finally {
    await rm(folder, { recursive: true })
  }
})
