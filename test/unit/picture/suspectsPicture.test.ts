import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { suspectsPicture, type DrawnEvidence, type DrawnSuspect } from '../../../src/picture/index.ts'
import { anyName, hostileNames } from './hostileNames.ts'
import { wellFormed } from './wellFormed.ts'

const [web, api, db] = ['urn:svc:shop/web', 'urn:svc:shop/api', 'urn:svc:shop/db'] as const
const none = { src_urn: null, dst_urn: null, pattern: null }
const failing: DrawnEvidence = { ...none, kind: 'call', measure: 'err_rate', expected: 0, actual: 0.75, unit: '1', src_urn: web }
const slow: DrawnEvidence = { ...none, kind: 'call', measure: 'p95_ms', expected: 20, actual: 1_500, unit: 'ms', src_urn: web }
const refused: DrawnEvidence = {
  ...none,
  kind: 'pattern',
  measure: 'count_error',
  expected: 0,
  actual: 45,
  unit: '{record}',
  pattern: 'card <*> refused',
}
const suspects: DrawnSuspect[] = [
  { urn: api, score: 0.98, path: [web, api], evidence: [failing, slow, refused] },
  { urn: web, score: 0.2, path: [web], evidence: [slow] },
  { urn: db, score: 0.001, path: [web, api, db], evidence: [slow] },
]

/** The words of a picture, without the spaces around them. */
const words = (svg: string) => [...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text!.replaceAll('&#45;', '-').trim())
const dashed = (svg: string) => svg.match(/<path fill="none"[^>]*dasharray/g)?.length ?? 0

describe('suspectsPicture', { timeout: 60_000 }, () => {
  it('marks suspects by rank and score, with what tells most of each kind of evidence', async () => {
    const edges = [
      { src_urn: web, dst_urn: api, rps: 12, err_rate: 0.75 },
      { src_urn: api, dst_urn: db, rps: 3 },
    ]
    const svg = await suspectsPicture({ title: 'Who is behind it', suspects, service: web, edges })
    wellFormed(svg)
    expect(words(svg)).toEqual(
      expect.arrayContaining([
        '1. api, score 0.98',
        'err_rate 0 % -&gt; 75 %, seen by web',
        'logs the error &quot;card &lt;*&gt; refused&quot;: 0 -&gt; 45',
        '2. web, score 0.20 (symptom)',
        'db',
        'on the way from symptom to suspect',
      ]),
    )
    // Of the calls what tells most is enough.
    expect(words(svg).filter((line) => line.startsWith('p95_ms'))).toHaveLength(1)
    expect(dashed(svg)).toBe(0)
    expect(svg).toContain('<desc>Suspects: api, web.</desc>')
  })

  it('draws the way where no calls are measured, dashed', async () => {
    const svg = await suspectsPicture({ title: 't', suspects: suspects.slice(0, 1), service: web })
    wellFormed(svg)
    expect(words(svg)).toEqual(expect.arrayContaining(['web', '(symptom)', '1. api, score 0.98']))
    expect(dashed(svg)).toBe(1)
  })

  it('lists suspects that no way leads to, in their order', async () => {
    const listed = ['z', 'm', 'a', 'q', 'b', 'y'].map((urn, at) => ({ urn, score: 0.9 - at / 10, path: [urn], evidence: [refused] }))
    const svg = await suspectsPicture({ title: 't', suspects: listed })
    wellFormed(svg)
    const heights = [
      '1. z, score 0.90',
      '2. m, score 0.80',
      '3. a, score 0.70',
      '4. q, score 0.60',
      '5. b, score 0.50',
      '6. y, score 0.40',
    ].map((name) => Number(new RegExp(`<text[^>]* y="([-\\d.]+)"[^>]*>${name}<`).exec(svg)![1]))
    expect(heights).toEqual(heights.toSorted((a, b) => a - b))
    // Beside calls they are drawn too.
    const beside = await suspectsPicture({ title: 't', suspects: listed, edges: [{ src_urn: 'a', dst_urn: 'other' }] })
    expect(words(beside)).toEqual(expect.arrayContaining(['1. z, score 0.90', '3. a, score 0.70', 'other']))
  })

  it('says so when there is nothing to draw', async () => {
    const svg = await suspectsPicture({ title: 'Calm', suspects: [] })
    wellFormed(svg)
    expect(words(svg)).toContain('There are no suspects and no calls to draw.')
  })

  it('shows any name and any pattern as text, in a picture that is well-formed', async () => {
    const svg = await suspectsPicture({
      title: hostileNames.join(' '),
      service: hostileNames[1]!,
      suspects: hostileNames.map((name) => ({
        urn: name,
        score: 0.5,
        path: ['a', name],
        evidence: [
          { ...refused, pattern: name },
          { ...failing, src_urn: name },
          { ...failing, kind: 'metric', measure: name, unit: name },
        ],
      })),
      nameOf: (name) => name,
    })
    wellFormed(svg)
    expect(svg).not.toContain('<script')
    await fc.assert(
      fc.asyncProperty(fc.array(anyName, { minLength: 1, maxLength: 3 }), anyName, async (path, text) => {
        const evidence = [
          { ...refused, pattern: text },
          { ...failing, kind: 'shape' as const, dst_urn: text, actual: Number.NaN },
        ]
        wellFormed(await suspectsPicture({ title: text, suspects: [{ urn: path.at(-1)!, score: 1, path, evidence }] }))
      }),
      { numRuns: 30 },
    )
  })

  it('takes rows with more columns, and names what is wrong', async () => {
    const row = { ...suspects[0]!, resource_id: '1', depth: 1 }
    await expect(suspectsPicture({ title: 't', suspects: [row] })).resolves.toContain('<svg')
    await expect(suspectsPicture({ title: 't', suspects: [{ ...row, path: 'web' as never }] })).rejects.toThrow(/suspects/)
    await expect(suspectsPicture({ title: 't', suspects: [], limit: 0 })).rejects.toThrow('limit')
  })
})
