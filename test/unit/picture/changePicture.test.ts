import { describe, expect, it } from 'vitest'
import { changePicture, type ChangedEdge } from '../../../src/picture/index.ts'
import type { ComparedEdge } from '../../../src/topology/index.ts'
import { hostileNames } from './hostileNames.ts'
import { wellFormed } from './wellFormed.ts'

/** The drawn edges: whether dashed, and in which colour. */
const linesOf = (svg: string) =>
  [...svg.matchAll(/<path fill="none" stroke="(#\w+)"([^>]*)/g)].map(
    ([, colour, rest]) => `${colour}${rest!.includes('dasharray') ? ' dashed' : ''}`,
  )

const words = (svg: string) => [...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text!.trim())

describe('changePicture', { timeout: 60_000 }, () => {
  const edges: ChangedEdge[] = [
    { src_urn: 'urn:svc:shop/checkout', dst_urn: 'urn:svc:shop/fraud', kind: 'appeared', label: 'calls' },
    { src_urn: 'urn:svc:shop/checkout', dst_urn: 'urn:svc:shop/tax', kind: 'vanished' },
    { src_urn: 'urn:svc:shop/checkout', dst_urn: 'urn:svc:shop/cart', kind: 'changed', label: 'version 3 to 4' },
    { src_urn: 'urn:svc:shop/checkout', dst_urn: 'urn:svc:shop/payment', kind: 'unchanged' },
    { src_urn: 'urn:svc:shop/checkout', dst_urn: 'urn:svc:shop/mail', kind: 'unchanged' },
  ]

  it('says in colour, line and words what became of each dependency', async () => {
    const svg = await changePicture({
      title: 'What changed',
      edges,
      appeared: ['urn:svc:shop/fraud'],
      vanished: ['urn:svc:shop/tax'],
    })
    wellFormed(svg)
    const lines = linesOf(svg)
    for (const line of ['#0b66b0', '#c2410c dashed', '#8e44ad', '#8a96a3']) expect(lines).toContain(line)
    for (const each of ['new', 'calls', 'gone', 'changed', 'version 3 to 4', '(new)', '(gone)', 'checkout'])
      expect(words(svg)).toContain(each)
    for (const entry of ['new (1)', 'gone (1)', 'changed (1)', 'unchanged (2)']) expect(words(svg)).toContain(entry)
    expect(svg).toContain('<desc>1 new, 1 gone, 1 changed, 2 unchanged.</desc>')
    expect(svg).toMatch(/<line [^>]*stroke="#c2410c"[^>]*stroke-dasharray/)
  })

  it('takes the rows of compareTopology as they are: the relation is the label', async () => {
    const row = {
      src: '1',
      dst: '2',
      weight: null,
      src_urn: 'urn:svc:shop/checkout',
      kind: 'appeared',
      props_before: null,
      props_after: {},
    } as const
    const rows = [
      { ...row, dst_urn: 'urn:svc:shop/fraud', relation: 'depends_on' },
      { ...row, dst_urn: 'urn:node:eu-1', relation: 'runs_on', label: 'moved' },
      { ...row, dst_urn: 'urn:svc:shop/tax', relation: 'calls', label: null },
    ] satisfies (ChangedEdge & ComparedEdge)[]
    const drawn = words(await changePicture({ title: 'What changed', edges: rows }))
    expect(drawn).toEqual(expect.arrayContaining(['depends_on', 'moved']))
    expect(drawn).not.toContain('runs_on')
    expect(drawn).not.toContain('calls')
  })

  it('draws the changes first where there is a limit, then what is beside them, and says so', async () => {
    const far: ChangedEdge[] = [{ src_urn: 'far', dst_urn: 'away', kind: 'unchanged', weight: 1_000 }]
    const svg = await changePicture({ title: 'x', edges: [...far, ...edges], limit: 4 })
    expect(words(svg)).not.toContain('far')
    expect(words(svg)).toContain('payment')
    expect(words(svg)).not.toContain('mail')
    expect(words(svg)).toContain('unchanged (3)')
    expect(words(svg)).toContain('Shows 4 of 6 dependencies: the changes, then edges beside them.')
  })

  it('shows any name as text, in a picture that is well-formed', async () => {
    const svg = await changePicture({
      title: hostileNames.join(' '),
      edges: hostileNames.map((dst_urn) => ({ src_urn: 'a', dst_urn, kind: 'appeared', label: dst_urn })),
      appeared: hostileNames,
      nameOf: (name) => name,
    })
    wellFormed(svg)
    expect(svg).not.toContain('<script')
  })

  it('says so when there is nothing to draw', async () => {
    const svg = await changePicture({ title: 'Nothing', edges: [] })
    wellFormed(svg)
    expect(svg).toContain('There are no dependencies to draw.')
    expect(svg).toContain('new (0)')
  })
})
