import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLogMiner } from '../../../src/logs/miner/logMiner.ts'

/** A number in letters: words without a digit. */
const letters = (number: number) => `${number}`.replaceAll(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)))

/** The template of each message once all of them are learnt, in the order of the messages. */
function mined(messages: readonly string[]): { fingerprints: string[]; templates: string[] } {
  const miner = createLogMiner()
  const fingerprints = messages.map((message) => miner.learn(message).fingerprint).map((fingerprint) => miner.resolve(fingerprint))
  return { fingerprints, templates: messages.map((message) => miner.learn(message).template) }
}

const groups = (messages: readonly string[]) => new Set(mined(messages).fingerprints).size

describe('createLogMiner', () => {
  it('finds the word that varies once it has six values', () => {
    const of = (names: readonly string[]) => mined(names.map((name) => `session of ${name} has ended`)).templates
    expect(new Set(of(['alpha', 'beta', 'gamma', 'delta', 'eps']))).toHaveLength(5)
    expect(new Set(of(['alpha', 'beta', 'gamma', 'delta', 'eps', 'zeta']))).toEqual(new Set(['session of <*> has ended']))
  })

  it.each([
    ['states', ['VM Started', 'VM Stopped', 'VM Paused', 'VM Resumed'].map((state) => `${state} (lifecycle event)`), 4],
    [
      'subjects of a line',
      ['cups', 'named', 'sshd', 'crond', 'ntpd', 'portmap', 'nfs', 'rpc'].map((name) => `${name} startup succeeded`),
      8,
    ],
    ['values of a key', ['user=root', 'user=guest', 'user=test'].map((user) => `authentication failure; tty=ssh ${user}`), 3],
    ['versions of a protocol', ['IPv4', 'IPv6'].map((version) => `no ${version} address assigned`), 2],
    ['quoted states', ["'open'", "'closed'"].map((state) => `circuit is ${state} now`), 2],
    ['names after user', ['news', 'cyrus', 'root'].map((name) => `session opened for user ${name} by (uid=0)`), 1],
    ['paths', ['/bin/true', '/usr/bin/env', '/opt/x/y'].map((path) => `cannot execute ${path} now`), 1],
    ['hosts', ['db.internal.example', 'cache.internal.example', 'web.internal.example'].map((host) => `no answer from ${host} yet`), 1],
    ['numbered names', ['node1', 'node2', 'node3'].map((node) => `lost contact with ${node} again`), 1],
    ['units', ['sent 12 B in total', 'sent 1.4 KB in total', 'sent 3 MB in total'], 1],
    ['what is empty', ['connection from 10.0.0.1 () at 12:00:01', 'connection from 10.0.0.2 (host17) at 12:00:02'], 1],
    ['single words', ['started', 'stopped', 'done.', 'done!'], 4],
  ])('%s', (_name, messages, count) => {
    expect(groups(messages)).toBe(count)
  })

  it('says what varies, in order', () => {
    const miner = createLogMiner()
    for (const name of ['root', 'news', 'cyrus']) miner.learn(`session opened for user ${name} by (uid=0)`)
    const { template, parameters, isNew } = miner.learn('session opened for user mail by (uid=8)')
    expect({ template, parameters, isNew }).toEqual({
      template: 'session opened for user <*> by (uid=<*>)',
      parameters: ['mail', '8'],
      isNew: false,
    })
    expect(miner.learn('GET took 1873 ms at 2026-01-01T00:00:00Z').parameters).toEqual(['1873', '2026-01-01T00:00:00Z'])
    expect(miner.learn('done').parameters).toEqual([])
  })

  it.each([
    ['disk is full', 17, 'ERROR'],
    ['disk is full', 'crit', 'FATAL'],
    ['disk is full', 'E', 'ERROR'],
    ['disk is full', 'Verbose', 'TRACE'],
    ['{"level":"warn","msg":"disk is full"}', 'ERROR', 'ERROR'],
    ['{"level":"warn","msg":"disk is full"}', undefined, 'WARN'],
    ['{"level":"warn","msg":"disk is full"}', 0, 'WARN'],
    ['{"level":"warn","msg":"disk is full"}', 'no severity', 'WARN'],
    ['level=error msg="disk is full" free=0', null, 'ERROR'],
    ['<11>Oct 11 22:14:15 web su: disk is full', undefined, 'ERROR'],
    ['ERROR: disk is full', undefined, 'ERROR'],
    ['[warn] disk is full', undefined, 'WARN'],
    ['FATAL disk is full', undefined, 'FATAL'],
    ['disk is full', undefined, null],
    ['Error handling was tested', undefined, null],
    ['status: full', undefined, null],
    ['', undefined, null],
  ] as const)('says of %j with %j that it is %s', (message, severity, expected) => {
    expect(createLogMiner().learn(message, severity).severity).toBe(expected)
  })

  it('redirects the fingerprint of a merged template, and what was seen stays seen', () => {
    const miner = createLogMiner()
    const born = miner.learn('no route to alpha now')
    expect(born.isNew).toBe(true)
    expect(miner.resolve(born.fingerprint)).toBe(born.fingerprint)
    for (const name of ['beta', 'gamma', 'delta', 'eps', 'zeta']) miner.learn(`no route to ${name} now`)
    const now = miner.learn('no route to alpha now')
    expect(now).toMatchObject({ template: 'no route to <*> now', isNew: false })
    expect(now.fingerprint).not.toBe(born.fingerprint)
    expect(miner.resolve(born.fingerprint)).toBe(now.fingerprint)
    expect(miner.resolve('unknown')).toBe('unknown')
    expect(miner.report()).toMatchObject({ templates: 1, merged: 6, forgotten: 0, exploded: [] })
  })

  it('has the same templates at the end, and the same fingerprints, whatever the order of messages', () => {
    const word = fc.constantFrom('alpha', 'beta', 'gamma', 'delta', 'eps', 'zeta', 'eta', 'theta')
    const message = fc.oneof(
      word.map((name) => `no route to ${name} now`),
      fc.tuple(word, word).map(([from, to]) => `moved from ${from} to ${to} at once`),
      fc.tuple(word, fc.nat(99)).map(([name, number]) => `user ${name} took ${number} s, tries=${number}`),
      fc.tuple(word, fc.constantFrom('up', 'down')).map(([name, state]) => `${name} link is ${state}`),
    )
    const shuffled = fc.array(message, { minLength: 1, maxLength: 150 }).chain((messages) =>
      fc.tuple(
        fc.constant(messages),
        fc.shuffledSubarray(
          messages.map((_, at) => at),
          { minLength: messages.length },
        ),
      ),
    )
    fc.assert(
      fc.property(shuffled, ([messages, order]) => {
        const { fingerprints } = mined(messages)
        const others = mined(order.map((at) => messages[at]!)).fingerprints
        expect(order.map((at) => fingerprints[at])).toEqual(others)
      }),
      { numRuns: 300 },
    )
  })

  it('keeps no more than it may, and gives what it forgot the same fingerprint again', () => {
    const miner = createLogMiner({ maxTemplates: 100, maxLines: 100 })
    const first = miner.learn('aa first message bb')
    for (let at = 0; at < 2000; at += 1) miner.learn(`${letters(at)} says ${letters(at * 7)} of ${letters(at * 13)}`)
    const { templates, merged, forgotten } = miner.report()
    expect(templates + merged).toBeLessThanOrEqual(100)
    expect(forgotten).toBeGreaterThan(1000)
    expect(miner.learn('aa first message bb')).toMatchObject({ fingerprint: first.fingerprint, isNew: true })
  })

  it('contains messages that differ in everything but their beginning, and reports them', () => {
    const miner = createLogMiner()
    let seed = 1
    const random = () => letters((seed = (seed * 48_271) % 2_147_483_647))
    const dump = () => `INFO main Reader : unexpected payload ${random()} ${random()} ${random()} ${random()}`
    const first = miner.learn(dump()).fingerprint
    for (let at = 0; at < 5000; at += 1) miner.learn(dump())
    expect(miner.report()).toMatchObject({ templates: 1, exploded: ['INFO main Reader unexpected payload'] })
    const { template, fingerprint } = miner.learn(dump())
    expect(template).toBe('INFO main Reader : unexpected payload <*>')
    expect(miner.resolve(first)).toBe(fingerprint)
    // What begins otherwise is not touched.
    expect(miner.learn('INFO main Reader : ready at once').template).toBe('INFO main Reader : ready at once')
  })

  it.each([
    ['a word', 'a'.repeat(1_000_000)],
    ['words', 'ab '.repeat(300_000)],
    ['equals', 'a=b,'.repeat(100_000)],
    ['quotes', '"'.repeat(500_000)],
    ['placeholders', '<*> '.repeat(100_000)],
    ['slashes', '/a'.repeat(300_000)],
    ['nothing', ''],
    ['a lone surrogate', 'a \ud800 b'],
  ])('takes little time for %s', (_name, message) => {
    const miner = createLogMiner()
    const from = performance.now()
    const { template, parameters } = miner.learn(message)
    expect(template.length).toBeLessThanOrEqual(1024)
    expect(parameters.join('').length).toBeLessThanOrEqual(2048)
    expect(performance.now() - from).toBeLessThan(2000)
  })

  it('never fails, and finds a message again', () => {
    const miner = createLogMiner({ maxTemplates: 100 })
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (message) => {
        const { fingerprint, parameters } = miner.learn(message)
        expect(miner.learn(message)).toMatchObject({ fingerprint: miner.resolve(fingerprint), isNew: false })
        expect(parameters.every((parameter) => typeof parameter === 'string')).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  it('refuses options that it does not have or cannot use', () => {
    expect(() => createLogMiner({ maxTemplates: 1 })).toThrow('maxTemplates')
    expect(() => createLogMiner({ maxTemplate: 100 } as never)).toThrow('maxTemplate')
  })
})
