import { describe, expect, it } from 'vitest'
import { evidenceText, type DrawnEvidence } from '../../../src/picture/evidenceText.ts'

const none = { src_urn: null, dst_urn: null, pattern: null }
const metric = (unit: string | null, expected: number, actual: number) =>
  evidenceText({ ...none, kind: 'metric', measure: 'm', expected, actual, unit })

describe('evidenceText', () => {
  it.each<[Partial<DrawnEvidence>, string]>([
    [
      { kind: 'call', measure: 'p95_ms', expected: 67.64, actual: 3_800, unit: 'ms', src_urn: 'urn:k8s:svc:shop/web' },
      'p95_ms 67.6 ms -> 3,800 ms, seen by web',
    ],
    [
      { kind: 'call', measure: 'err_rate', expected: 0, actual: 0.125, unit: '1', src_urn: 'urn:web' },
      'err_rate 0 % -> 12.5 %, seen by urn:web',
    ],
    [
      { kind: 'pattern', measure: 'count_error', expected: 0, actual: 48, unit: '{record}', pattern: 'card "<*>" refused' },
      'logs the error "card \\"<*>\\" refused": 0 -> 48',
    ],
    [{ kind: 'pattern', measure: 'count_total', expected: 1_200, actual: 3, unit: '{record}', pattern: 'paid' }, 'logs "paid": 1,200 -> 3'],
    [
      { kind: 'shape', measure: 'call_count', expected: 120.4, actual: 0, unit: '{call}', dst_urn: 'urn:svc:shop/db' },
      'calls of db: 120 -> 0',
    ],
    [
      { kind: 'silence', measure: 'metric_minutes', expected: 15, actual: 0, unit: 'min' },
      'says nothing any more: 15 min -> 0 min with metrics',
    ],
  ])('says %j as %s', (evidence, text) => {
    expect(evidenceText({ ...none, kind: 'call', measure: '', expected: 0, actual: 0, unit: null, ...evidence })).toBe(text)
  })

  it('gives a metric its unit', () => {
    expect(metric('ms', 48.2, 1_420)).toBe('m 48.2 ms -> 1,420 ms')
    expect(metric('{cpu}', 0.05, 1.5)).toBe('m 0.05 cpu -> 1.5 cpu')
    expect(metric('{request}/s', 2, 30)).toBe('m 2 request/s -> 30 request/s')
    expect(metric('By/s', 2, 30)).toBe('m 2 By/s -> 30 By/s')
    expect(metric(null, 2, 30)).toBe('m 2 -> 30')
  })

  it('shows shares in percent, and other ratios as they are', () => {
    expect(metric('1', 0.2, 0.95)).toBe('m 20 % -> 95 %')
    expect(metric('1', 0.5, 24)).toBe('m 0.5 -> 24')
  })

  it('shows both numbers of bytes in one binary unit', () => {
    expect(metric('By', 1e8, 3e8)).toBe('m 95.4 MiB -> 286 MiB')
    expect(metric('By', 0, 0)).toBe('m 0 B -> 0 B')
    expect(metric('By', 1e300, 12)).toMatch(/^m [\d,]+ PiB -> 0\.\d+ PiB$/)
    expect(metric('By', Number.NaN, Number.POSITIVE_INFINITY)).toMatch(/^m /)
  })
})
