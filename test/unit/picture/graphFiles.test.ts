import { instance } from '@viz-js/viz'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DirectedGraph } from 'graphology'
import { edgesOf, graphDot, graphGraphml, graphMermaid, graphPicture } from '../../../src/picture/index.ts'
import { printable, shortened } from '../../../src/picture/markup.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { anyName, hostileNames } from './hostileNames.ts'
import { wellFormed } from './wellFormed.ts'

const viz = await instance()
const calls = [
  { src_urn: 'urn:svc:shop/checkout', dst_urn: 'urn:svc:shop/payment', rps: 12.34, err_rate: 0.12, p95_ms: 840, normal_p95_ms: 70 },
  { src_urn: 'urn:svc:shop/checkout', dst_urn: 'urn:svc:shop/cart', weight: 3 },
]
const toHostile = {
  title: hostileNames.join(' '),
  edges: hostileNames.map((dst_urn) => ({ src_urn: 'a', dst_urn })),
  nameOf: (name: string) => name,
}
const oneLine = (text: string) => printable(text).replaceAll(/\s+/g, ' ')

/** As XML says it: what SVG shows of a line. */
const unescaped = (text: string) =>
  text.replaceAll(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (_, decimal, hex, name: string) =>
    name
      ? { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name]!
      : String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16)),
  )

describe('graphDot', { timeout: 60_000 }, () => {
  it('is the picture in the language of Graphviz', () => {
    expect(graphDot({ title: 'Who calls whom', edges: calls, suspects: ['urn:svc:shop/payment'] })).toBe(
      `digraph "calls" {
  label = "Who calls whom";
  labelloc = "t";
  rankdir = "LR";
  edge [
    fontname = "Helvetica";
    fontsize = 11;
  ];
  node [
    shape = "box";
    style = "filled,rounded";
    fontname = "Helvetica";
    fontcolor = "#1d2733";
  ];
  "v0" [
    label = "checkout";
    tooltip = "urn:svc:shop/checkout";
    fillcolor = "#f6f8fa";
    color = "#aab4bf";
    penwidth = 1.2;
  ];
  "v1" [
    label = "payment\\n(suspect)";
    tooltip = "urn:svc:shop/payment";
    fillcolor = "#fdecec";
    color = "#c81e1e";
    penwidth = 2.4;
  ];
  "v2" [
    label = "cart";
    tooltip = "urn:svc:shop/cart";
    fillcolor = "#f6f8fa";
    color = "#aab4bf";
    penwidth = 1.2;
  ];
  "v0" -> "v1" [
    label = "12.3/s\\np95 840 ms (12×)\\nerr 12 %";
    color = "#c81e1e";
    fontcolor = "#c81e1e";
    penwidth = 6;
  ];
  "v0" -> "v2" [
    label = "3/s";
    color = "#7f8d9d";
    fontcolor = "#5a6775";
    penwidth = 3.47;
  ];
}
`,
    )
  })

  it('gives any name back when it is read and drawn', () => {
    const svg = viz.renderString(graphDot(toHostile), { format: 'svg' })
    expect(svg.match(/class="node"/g)).toHaveLength(hostileNames.length + 1)
    expect(svg).not.toContain('<script')
    const shown = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => unescaped(text!).replaceAll('\u00a0', ' '))
    for (const name of hostileNames.filter((each) => each.trim() !== '')) expect(shown).toContain(oneLine(shortened(name, 28)))
  })

  it('is sound whatever the names are', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyName, anyName), { maxLength: 5 }), anyName, (pairs, title) => {
        const edges = pairs.map(([src_urn, dst_urn]) => ({ src_urn, dst_urn }))
        const result = viz.render(graphDot({ title, edges, nameOf: (name) => name }), { format: 'json' })
        expect(result.errors).toEqual([])
        const { objects = [], edges: found = [] }: { objects?: unknown[]; edges?: unknown[] } = JSON.parse(result.output!)
        expect([objects.length, found.length]).toEqual([new Set(pairs.flat()).size, pairs.length])
      }),
      { numRuns: 50 },
    )
  })

  it('has all edges, unless there is a limit', () => {
    const edges = Array.from({ length: 6_000 }, (_, index) => ({ src_urn: 'hub', dst_urn: `${index}`, rps: index }))
    expect(graphDot({ title: 'x', edges }).match(/->/g)).toHaveLength(6_000)
    const few = graphDot({ title: 'x', edges, limit: 2 })
    expect(few.match(/tooltip = "[^"]*"/g)).toEqual(['tooltip = "hub"', 'tooltip = "5998"', 'tooltip = "5999"'])
    expect(few).toContain('label = "x\\nShows 2 of 6,000 calls: marked ones first, then the busiest."')
  })
})

describe('graphMermaid', { timeout: 60_000 }, () => {
  it('is the picture as a flowchart', () => {
    expect(graphMermaid({ title: 'Who calls "whom"', edges: calls, suspects: ['urn:svc:shop/payment'] })).toBe(
      `---
title: "Who calls \\"whom\\""
---
flowchart LR
  v0["checkout"]
  v1["payment<br/>(suspect)"]
  v2["cart"]
  v0 -->|"12.3/s<br/>p95 840 ms (12×)<br/>err 12 #37;"| v1
  v0 -->|"3/s"| v2
  classDef look0 fill:#f6f8fa,stroke:#aab4bf,stroke-width:1.2px,color:#1d2733
  class v0,v2 look0
  classDef look1 fill:#fdecec,stroke:#c81e1e,stroke-width:2.4px,color:#1d2733
  class v1 look1
  linkStyle 0 stroke:#c81e1e,stroke-width:6px,color:#c81e1e
  linkStyle 1 stroke:#7f8d9d,stroke-width:3.5px,color:#5a6775
`,
    )
  })

  it('says so when there is nothing to draw', () => {
    expect(graphMermaid({ title: 'x', edges: [] })).toBe('---\ntitle: "x"\n---\nflowchart LR\n  v0["There are no calls to draw."]\n')
  })

  it('has no name that is anything but text', () => {
    fc.assert(
      fc.property(fc.array(anyName, { minLength: 1, maxLength: 5 }), anyName, (names, title) => {
        const lines = graphMermaid({
          title,
          edges: names.map((dst_urn) => ({ src_urn: 'a', dst_urn, rps: 1 })),
          nameOf: (name) => name,
        }).split('\n')
        const unique = [...new Set(['a', ...names])]
        expect(JSON.parse(lines[1]!.slice('title: '.length))).toBe(printable(title))
        const labels = lines.slice(4, 4 + unique.length).map((line) => /^ {2}v\d+\["([^"<>[\]{}|`\\&%:]+)"\]$/.exec(line)![1]!)
        for (const label of labels) expect(label).not.toMatch(/^[-+. ]|^\d+[.)]|__/)
        const read = labels.map((label) => label.replaceAll(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))))
        expect(read).toEqual(unique.map((name) => oneLine(shortened(name, 28)) || ' '))
        expect(lines.slice(4 + unique.length, -1).every((line) => /^ {2}(v0 -->\|"1\/s"\| v\d+|class|linkStyle)/.test(line))).toBe(true)
      }),
    )
  })

  it('stays below what Mermaid takes', () => {
    const edges = Array.from({ length: 5_000 }, (_, index) => ({
      src_urn: `caller-number-${index}`,
      dst_urn: `callee-number-${index}`,
      rps: index,
    }))
    const text = graphMermaid({ title: 'x', edges })
    expect(text.match(/-->/g)).toHaveLength(200)
    expect(text.length).toBeLessThan(50_000)
    expect(text).toContain('title: "x Shows 200 of 5,000 calls')
  })
})

describe('graphGraphml', { timeout: 60_000 }, () => {
  const columns = { rps: null as number | null, ok: true, at: null as Date | null, props: null as object | null }

  it('holds all data, with types', () => {
    const xml = graphGraphml({
      edges: [
        { src_urn: 'a', dst_urn: 'b', ...columns, rps: 1.5, at: new Date('2026-11-22T10:00:00Z'), props: { x: [1] }, mixed: 1 },
        { src_urn: 'b', dst_urn: 'c', ...columns, ok: false, mixed: 'one', late: Infinity },
      ],
      vertices: [
        { name: 'a', team: 'shop' },
        { name: 'alone', team: null },
      ],
    })
    wellFormed(xml.replace(/^<\?xml[^>]*\?>/, ''))
    expect(xml).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="name" for="node" attr.name="name" attr.type="string"/>
  <key id="vd0" for="node" attr.name="team" attr.type="string"/>
  <key id="ed0" for="edge" attr.name="rps" attr.type="double"/>
  <key id="ed1" for="edge" attr.name="ok" attr.type="boolean"/>
  <key id="ed2" for="edge" attr.name="at" attr.type="string"/>
  <key id="ed3" for="edge" attr.name="props" attr.type="string"/>
  <key id="ed4" for="edge" attr.name="mixed" attr.type="string"/>
  <key id="ed5" for="edge" attr.name="late" attr.type="double"/>
  <graph edgedefault="directed">
    <node id="v0">
      <data key="name">a</data>
      <data key="vd0">shop</data>
    </node>
    <node id="v1">
      <data key="name">b</data>
    </node>
    <node id="v2">
      <data key="name">c</data>
    </node>
    <node id="v3">
      <data key="name">alone</data>
    </node>
    <edge id="e0" source="v0" target="v1">
      <data key="ed0">1.5</data>
      <data key="ed1">true</data>
      <data key="ed2">2026-11-22T10:00:00.000Z</data>
      <data key="ed3">{&quot;x&quot;:[1]}</data>
      <data key="ed4">1</data>
    </edge>
    <edge id="e1" source="v1" target="v2">
      <data key="ed1">false</data>
      <data key="ed4">one</data>
      <data key="ed5">INF</data>
    </edge>
  </graph>
</graphml>
`)
  })

  it('gives any name back when it is read', () => {
    // A parser of XML reads a carriage return as a line feed.
    const asRead = (text: string) => printable(text).replaceAll(/\r\n?/g, '\n')
    fc.assert(
      fc.property(fc.array(fc.tuple(anyName, anyName, anyName), { maxLength: 5 }), (rows) => {
        const xml = graphGraphml({ edges: rows.map(([src_urn, dst_urn, note]) => ({ src_urn, dst_urn, [`${note}:`]: note })) })
        wellFormed(xml.replace(/^<\?xml[^>]*\?>/, ''))
        const texts = [...xml.matchAll(/<data key="\w+">([^<]*)<\/data>/g)].map(([, text]) => unescaped(text!))
        const names = [...new Set(rows.flatMap(([src_urn, dst_urn]) => [src_urn, dst_urn]))]
        expect(texts.map(asRead)).toEqual([...names, ...rows.map(([, , note]) => note)].map(asRead))
      }),
    )
  })
})

describe('limit', { timeout: 60_000 }, () => {
  const edges = [
    { src_urn: 'a', dst_urn: 'b', rps: 1 },
    { src_urn: 'b', dst_urn: 'c', rps: 2 },
    { src_urn: 'x', dst_urn: 'y', rps: 9 },
    { src_urn: 'y', dst_urn: 'z', rps: 8 },
    { src_urn: 'q', dst_urn: 'x', rps: 0 },
  ]
  const drawn = (options: object) =>
    [...graphDot({ title: 't', edges, ...options }).matchAll(/tooltip = "(\w)"/g)].map(([, name]) => name).join('')

  it('keeps what is on a path, then what is marked, then the busiest', () => {
    expect(drawn({ limit: 1 })).toBe('xy')
    expect(drawn({ limit: 2 })).toBe('xyz')
    expect(drawn({ limit: 1, symptoms: ['q'] })).toBe('qx')
    expect(drawn({ limit: 2, symptoms: ['q'], paths: [['c', 'b']] })).toBe('bcqx')
    expect(drawn({ limit: 5 })).toBe('abcxyzq')
  })

  it.each([0, -1, 1.5, Number.NaN])('of %d is refused', (limit) => {
    expect(() => graphDot({ title: 't', edges, limit })).toThrow(InvalidInputError)
    expect(() => graphDot({ title: 't', edges, limit })).toThrow('limit')
  })
})

describe('paths', { timeout: 60_000 }, () => {
  it('are bold and blue, whichever way they go, and named in the legend', async () => {
    const options = { title: 't', edges: [...calls, { src_urn: 'lone', dst_urn: 'urn:svc:shop/cart' }] }
    const plain = await graphPicture(options)
    expect(plain).not.toContain('#0b66b0')
    const svg = await graphPicture({ ...options, paths: [['urn:svc:shop/cart', 'urn:svc:shop/checkout', 'nothing']] })
    wellFormed(svg)
    expect(svg.match(/<path fill="none" stroke="#0b66b0" stroke-width="4"/g)).toHaveLength(1)
    expect(svg).toContain('on the way from symptom to suspect')
  })
})

describe('edgesOf', { timeout: 60_000 }, () => {
  it('gives the edges of a graph with names for keys', () => {
    const graph = new DirectedGraph<{ urn: string }, { weight: number }>()
    graph.addNode('1', { urn: 'urn:a' })
    graph.addNode('2', { urn: 'urn:b' })
    graph.addEdge('1', '2', { weight: 3 })
    expect(edgesOf(graph)).toEqual([{ src_urn: '1', dst_urn: '2', weight: 3 }])
    const named = edgesOf(graph, (_, { urn }) => urn)
    expect(named).toEqual([{ src_urn: 'urn:a', dst_urn: 'urn:b', weight: 3 }])
    expect(graphMermaid({ title: 't', edges: named })).toContain('v0["a"]')
  })
})
