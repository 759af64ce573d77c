import { describe, expect, it } from 'vitest'
import { callState, graphPicture, picturePage, seriesChart } from '../../../src/picture/index.ts'
import { amount, latency, percent } from '../../../src/picture/amount.ts'
import { shortened } from '../../../src/picture/markup.ts'
import { optionalPackage } from '../../../src/picture/optionalPackage.ts'
import { MissingCapabilityError } from '../../../src/schema/errors.ts'
import { wellFormed } from './wellFormed.ts'

const hostile = [
  `'; drop--`,
  '</text><script>alert(1)</script>',
  '"',
  '\\N\\G\\',
  '&lt;&amp;',
  '🦊',
  'a\u0000\u0007b',
  '\ud800',
  'x'.repeat(10_000),
  '<b>',
  ' ',
  'n0:port',
]

describe('graphPicture', { timeout: 60_000 }, () => {
  it('draws names, rates, latencies, errors and marks', async () => {
    const svg = await graphPicture({
      title: 'Who calls whom',
      edges: [
        { src_urn: 'urn:svc:shop/checkout', dst_urn: 'urn:svc:shop/payment', rps: 12.34, err_rate: 0.12, p95_ms: 840, normal_p95_ms: 70 },
        { src_urn: 'urn:svc:shop/checkout', dst_urn: 'cart', weight: 3 },
      ],
      suspects: ['urn:svc:shop/payment'],
      symptoms: ['urn:svc:shop/checkout'],
    })
    wellFormed(svg)
    for (const words of ['checkout', 'payment', '(suspect)', '(symptom)', '12.3/s', 'p95 840 ms (12×)', 'err 12 %', '3/s']) {
      expect(svg.replaceAll(/> | </g, (edge) => edge.trim())).toContain(`>${words}<`)
    }
    expect(svg).toContain('<title>urn:svc:shop/payment</title>')
    expect(svg.indexOf('#c81e1e')).toBeGreaterThan(0)
  })

  it('shows any name as text, in a picture that is well-formed', async () => {
    const svg = await graphPicture({
      title: hostile.join(' '),
      description: hostile[1]!,
      edges: hostile.map((dst_urn) => ({ src_urn: 'a', dst_urn, rps: 1 })),
      nameOf: (name) => name,
    })
    wellFormed(svg)
    expect(svg).not.toContain('<script')
    for (const shown of ['\\N\\G\\', '&amp;lt;&amp;amp;', '🦊', 'a\ufffd\ufffdb', '&lt;b&gt;']) expect(svg).toContain(shown)
    expect(svg.match(/<rect/g)).toHaveLength(1)
  })

  it('says so when there is nothing to draw', async () => {
    const svg = await graphPicture({ title: 'Nothing', edges: [] })
    wellFormed(svg)
    expect(svg).toContain('There are no calls to draw.')
  })
})

describe('callState', { timeout: 60_000 }, () => {
  it.each([
    [{}, 'calm'],
    [{ err_rate: 0.0099 }, 'calm'],
    [{ err_rate: 0.01 }, 'warning'],
    [{ err_rate: 0.05 }, 'critical'],
    [{ err_rate: 0.05, normal_err_rate: 0.045 }, 'calm'],
    [{ p95_ms: 5000 }, 'calm'],
    [{ p95_ms: 199, normal_p95_ms: 100 }, 'calm'],
    [{ p95_ms: 200, normal_p95_ms: 100 }, 'warning'],
    [{ p95_ms: 400, normal_p95_ms: 100 }, 'critical'],
    [{ err_rate: null, p95_ms: null, normal_p95_ms: 0 }, 'calm'],
  ] as const)('of %j is %s', (call, state) => {
    expect(callState(call)).toBe(state)
  })
})

describe('seriesChart', { timeout: 60_000 }, () => {
  const points = [1, 2, null, 9].map((value, minute) => ({ bucket: new Date(Date.UTC(2026, 10, 22, 10, minute * 5)), value }))

  it('draws lines with their names, the unit, the band and the marks', async () => {
    const svg = await seriesChart({
      title: 'p95',
      unit: 'ms',
      series: [{ name: 'checkout', points }],
      band: { points: points.map(({ bucket }) => ({ bucket, lower: 1, upper: 3 })) },
      marks: [{ at: points[3]!.bucket, label: 'left its normal range', kind: 'critical' }],
    })
    wellFormed(svg)
    for (const words of ['p95', 'ms', 'checkout', 'normal range', 'left its normal range', '10:02']) expect(svg).toContain(`>${words}<`)
    expect(svg).not.toContain('<style')
    // The last point has a gap before it: a line alone would not show it.
    expect(svg.match(/matrix\(3,0,0,3,[^>]*>/g)).toHaveLength(1)
  })

  it('shows any name as text, in a picture that is well-formed', async () => {
    const svg = await seriesChart({
      title: hostile[1]!,
      series: hostile.map((name) => ({ name, points })),
      marks: hostile.map((label) => ({ at: points[0]!.bucket, label })),
    })
    wellFormed(svg)
    expect(svg).not.toContain('<script')
  })

  it.each([[[]], [[{ name: 'one', points: points.slice(0, 1) }]], [[{ name: 'none', points: [] }]]])('draws %j', async (series) => {
    wellFormed(await seriesChart({ title: 'Little', series: [...series] }))
  })
})

describe('picturePage', { timeout: 60_000 }, () => {
  it('is one page with everything in it, and text as text', () => {
    const page = picturePage({
      title: '<script>',
      lead: 'a & b',
      sections: [
        {
          heading: '"',
          text: ['<i>'],
          svg: '<?xml version="1.0"?><svg/>',
          table: {
            columns: ['n', 'x'],
            rows: [
              [1, '<u>'],
              [null, ''],
            ],
          },
          code: 'a < b',
        },
      ],
    })
    for (const part of [
      '<title>&lt;script&gt;</title>',
      'a &amp; b',
      '<p>&lt;i&gt;</p>',
      '<svg/>',
      '<td class="number">1</td>',
      '&lt;u&gt;',
      '–',
      '<pre>a &lt; b</pre>',
    ]) {
      expect(page).toContain(part)
    }
    expect(page).not.toMatch(/<script|<\?xml|https?:/)
  })
})

describe('a package that is not installed', { timeout: 60_000 }, () => {
  it('is named, with the command that installs it', async () => {
    const missing = optionalPackage('no-such-package', 'seriesChart', () => import(`${'no-such-package'}`))
    await expect(missing).rejects.toThrow(MissingCapabilityError)
    await expect(missing).rejects.toThrow(
      'seriesChart draws with the package no-such-package, which is not installed: run `npm install no-such-package`',
    )
  })

  it('is not blamed for another error', async () => {
    await expect(optionalPackage('echarts', 'seriesChart', () => Promise.reject(new TypeError('broken')))).rejects.toThrow(TypeError)
  })
})

describe('shortened', { timeout: 60_000 }, () => {
  it.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'ab…'],
    ['👩‍👩‍👧🦊x', 3, '👩‍👩‍👧🦊x'],
    ['👩‍👩‍👧🦊x', 2, '👩‍👩‍👧…'],
    ['', 1, ''],
  ])('%j to %i', (text, length, expected) => {
    expect(shortened(text, length)).toBe(expected)
  })
})

describe('amounts', { timeout: 60_000 }, () => {
  it.each([
    [amount(0), '0'],
    [amount(0.0004), '4.0e-4'],
    [amount(0.0456), '0.046'],
    [amount(1.234), '1.23'],
    [amount(12.34), '12.3'],
    [amount(12_345.6), '12,346'],
    [latency(999), '999 ms'],
    [latency(1_840), '1.84 s'],
    [percent(0.12), '12 %'],
    [percent(0.0004), '< 0.1 %'],
    [percent(0), '0 %'],
  ])('%s', (shown, expected) => {
    expect(shown).toBe(expected)
  })
})
