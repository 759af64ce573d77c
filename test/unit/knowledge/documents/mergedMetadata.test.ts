import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergedMetadata } from '../../../../src/knowledge/documents/mergedMetadata.ts'
import { inPieces } from '../../../../src/knowledge/documents/prepare.ts'
import type { Json } from '../../../../src/schema/text.ts'

const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })) as fc.Arbitrary<Record<string, Json>>

describe('mergedMetadata', () => {
  it.each<[Record<string, Json>, Record<string, Json>, Record<string, Json>]>([
    [{ labels: { team: 'a' } }, { labels: { kind: 'k' } }, { labels: { team: 'a', kind: 'k' } }],
    [{ labels: { team: 'a' } }, { labels: { team: 'b' } }, { labels: { team: 'b' } }],
    [{ env: { a: { b: 1, c: 2 } } }, { env: { a: { c: 3 } } }, { env: { a: { b: 1, c: 3 } } }],
    [{ resources: ['urn:a', 'urn:b'] }, { resources: ['urn:b', 'urn:c'] }, { resources: ['urn:a', 'urn:b', 'urn:c'] }],
    [{ resources: 'text' }, { resources: ['urn:a'] }, { resources: ['urn:a'] }],
    [{ list: [1, 2] }, { list: [3] }, { list: [3] }],
    [{ env: { resources: ['urn:a'] } }, { env: { resources: [] } }, { env: { resources: [] } }],
    [{ a: { b: 1 } }, { a: null }, { a: null }],
    [{ a: [1] }, { a: { b: 1 } }, { a: { b: 1 } }],
  ])('makes of %j and %j %j', (general, particular, both) => {
    expect(mergedMetadata(general, particular)).toEqual(both)
  })

  it('loses no key, whatever it is named', () => {
    const general = JSON.parse('{"__proto__": {"a": 1}, "constructor": {"c": 1}}') as Record<string, Json>
    const particular = JSON.parse('{"__proto__": {"b": 2}, "toString": {"d": 1}}') as Record<string, Json>
    expect(JSON.stringify(mergedMetadata(general, particular))).toBe('{"__proto__":{"a":1,"b":2},"constructor":{"c":1},"toString":{"d":1}}')
  })

  it('has all keys of both, changes neither, and is the same when said twice', () => {
    fc.assert(
      fc.property(object, object, (general, particular) => {
        const before = JSON.stringify([general, particular])
        const both = mergedMetadata(general, particular)
        expect(new Set(Object.keys(both))).toEqual(new Set([...Object.keys(general), ...Object.keys(particular)]))
        expect(JSON.stringify([general, particular])).toBe(before)
        expect(mergedMetadata(both, particular)).toEqual(both)
      }),
    )
  })
})

it('gives a chunk what its document says in any way, and what it says itself', () => {
  const document = {
    source: 's',
    title: 't',
    resources: ['urn:a'],
    labels: { team: 'a', tier: '1' },
    metadata: { resources: ['urn:b'], labels: { team: 'old', area: 'x' }, env: { region: 'eu' } },
    chunks: [{ content: 'c', metadata: { resources: ['urn:c'], labels: { tier: '2' }, env: { zone: 'z' } } }, { content: 'd' }],
  }
  const { metadata, pieces } = inPieces(document, {})
  expect(metadata).toEqual({
    resources: ['urn:b', 'urn:a'],
    labels: { team: 'a', tier: '1', area: 'x' },
    env: { region: 'eu' },
  })
  expect(pieces.map((piece) => piece.metadata)).toEqual([
    {
      resources: ['urn:b', 'urn:a', 'urn:c'],
      labels: { team: 'a', tier: '2', area: 'x' },
      env: { region: 'eu', zone: 'z' },
    },
    metadata,
  ])
})
