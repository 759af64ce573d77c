import { describe, expect, it } from 'vitest'
import { date, log, logs, rolledUp, urn } from './telemetry.ts'

describe('log records', () => {
  it('become counts of patterns, with the earliest message, the highest severity and the types of attributes', async () => {
    const { windows } = await rolledUp([
      logs('a', [
        log(20, 'took 7 ms', 9, { user: 'ann', n: 1 }),
        log(10, 'took 9 ms', 17, { user: 5 }),
        log(30, 'took 8 ms', 21),
        { ...log(40, 'other'), severityNumber: undefined, severityText: 'warning' },
      ]),
    ])
    expect(windows[0]!.patterns).toEqual([
      {
        bucket: date(0),
        resource: urn('a'),
        maskedLine: 'other',
        sampleMessage: 'other',
        severity: 'WARN',
        attrsSchema: {},
        countTotal: 1,
        countError: 0,
        firstSeen: date(40),
        lastSeen: date(40),
        locator: 0,
      },
      {
        bucket: date(0),
        resource: urn('a'),
        maskedLine: 'took <*> ms',
        sampleMessage: 'took 9 ms',
        severity: 'FATAL',
        attrsSchema: { n: 'int', user: 'mixed' },
        countTotal: 3,
        countError: 2,
        firstSeen: date(10),
        lastSeen: date(30),
        locator: 0,
      },
    ])
  })

  it('of structured bodies are known by their message, else by their fields', async () => {
    const body = (values: object[]) => ({ ...log(0, ''), body: { kvlistValue: { values } } })
    const { windows } = await rolledUp([
      logs('a', [
        body([
          { key: 'msg', value: { stringValue: 'took 7 ms' } },
          { key: 'n', value: { intValue: '1' } },
        ]),
        body([
          { key: 'b', value: { intValue: '7' } },
          { key: 'a', value: { stringValue: 'two words' } },
        ]),
        { ...log(0, ''), body: undefined, eventName: 'app.started' },
      ]),
    ])
    expect(windows[0]!.patterns.map(({ maskedLine }) => maskedLine)).toEqual(['a=<*> b=<*>', 'app.started', 'took <*> ms'])
  })

  it('without a time have the time they were observed; without both they are counted', async () => {
    const { timeUnixNano, ...untimed } = log(10, 'x')
    const { windows, report } = await rolledUp([logs('a', [{ ...untimed, observedTimeUnixNano: timeUnixNano }, untimed])])
    expect(windows[0]!.patterns[0]).toMatchObject({ countTotal: 1, firstSeen: date(10) })
    expect(report.untimedRecords).toBe(1)
  })
})

describe('bodies of log records', () => {
  const bare = (body: object) => ({ ...log(0, ''), severityNumber: undefined, body })

  it('are read for their message and severity, and kept as they were', async () => {
    const text = '{"level":"error","msg":"order 12 lost"}'
    const { windows } = await rolledUp([
      logs('a', [
        bare({ stringValue: text }),
        bare({
          kvlistValue: {
            values: [
              { key: 'MESSAGE', value: { stringValue: 'unit failed' } },
              { key: 'PRIORITY', value: { stringValue: '4' } },
            ],
          },
        }),
      ]),
    ])
    expect(windows[0]!.patterns).toMatchObject([
      { maskedLine: 'order <*> lost', sampleMessage: text, severity: 'ERROR', countError: 1 },
      { maskedLine: 'unit failed', sampleMessage: 'unit failed', severity: 'WARN', countError: 0 },
    ])
  })

  it('do not override the severity of the record', async () => {
    const { windows } = await rolledUp([logs('a', [log(0, '{"level":"error","msg":"x"}', 9)])])
    expect(windows[0]!.patterns).toMatchObject([{ severity: 'INFO', countError: 0 }])
  })

  it('are read for the fields given', async () => {
    const { windows } = await rolledUp([logs('a', [log(0, '{"note":"kept","msg":"x"}')])], { messageFields: ['note'] })
    expect(windows[0]!.patterns.map(({ maskedLine }) => maskedLine)).toEqual(['kept'])
    await expect(rolledUp([], { messageFields: [''] })).rejects.toThrow('messageFields')
  })
})
