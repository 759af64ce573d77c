import { describe, expect, it } from 'vitest'
import type { Installation } from '../../../../src/database/installation/installation.ts'
import { addDocuments } from '../../../../src/knowledge/documents/addDocuments.ts'
import { arrayLiteral, embeddingOf } from '../../../../src/knowledge/embedding/embedding.ts'
import { searchKnowledge } from '../../../../src/knowledge/search/searchKnowledge.ts'
import { InvalidInputError } from '../../../../src/schema/errors.ts'
import { parse } from '../../../../src/schema/parse.ts'
import { unitScope } from '../../../support/unitScope.ts'

const check = (embedding: unknown, differs: Partial<Installation> = {}) => {
  const { installation } = unitScope({ installation: { embeddingDimension: 4, ...differs } })
  return parse(embeddingOf(installation), embedding, 'embedding')
}

describe('an embedding', () => {
  it.each([new Float32Array([1, 2, 3, 4]), new Float64Array([1, 2, 3, 4])])('may be a typed array: %o', (given) => {
    expect(check(given)).toEqual([1, 2, 3, 4])
  })

  it('is asked for as a typed array as it is as a list', () => {
    const scope = unitScope({ installation: { embeddingDimension: 4 } })
    const asked = (embedding: unknown) => searchKnowledge(scope, { embedding: embedding as number[] }).compile().parameters
    expect(asked(new Float32Array([1, 2, 3, 4]))).toEqual(asked([1, 2, 3, 4]))
  })

  it.each([
    new Float32Array(3),
    new Uint8Array(4),
    new BigInt64Array(4),
    new ArrayBuffer(4),
    new DataView(new ArrayBuffer(4)),
    Buffer.alloc(4),
    Object.freeze({ length: 4 }),
    [1, 2, 3, 4n],
    [1, 2, 3, Number.NaN],
    [1, 2, 3],
    // oxlint-disable-next-line no-sparse-arrays
    [1, , 3, 4],
    'text',
    null,
  ])('is refused by name where it is %o, and not frozen', async (given) => {
    expect(() => check(given)).toThrow(InvalidInputError)
    expect(() => check(given)).toThrow(/^embedding/)
    const document = { source: 's', title: 't', chunks: [{ content: 'c', embedding: given as number[] }] }
    const adding = addDocuments(unitScope({ installation: { embeddingDimension: 4 } }), [document])
    await expect(adding).rejects.toThrow(/^documents\[0\]\.chunks\[0\]\.embedding/)
    if (Array.isArray(given)) expect(Object.isFrozen(given)).toBe(false)
  })

  it('has a direction in the precision it is measured in, for the cosine distance', () => {
    const cosine = { embeddingDistance: 'cosine' } as const
    const half = { ...cosine, embeddingType: 'halfvec' } as const
    expect(() => check([1e-9, 1e-9, 0, 0], half)).toThrow('embedding: must not have length zero in half precision')
    expect(() => check([2 ** -25, 0, 0, 0], half)).toThrow('length zero')
    expect(check([2 ** -24, 0, 0, 0], half)).toEqual([2 ** -24, 0, 0, 0])
    expect(check([2 ** -25 * 1.001, 0, 0, 0], half)).toHaveLength(4)
    expect(check([1e-9, 1e-9, 0, 0], cosine)).toHaveLength(4)
    for (const tiny of [0, 1e-30, 1e-50])
      expect(() => check([tiny, 0, 0, 0], cosine)).toThrow('must not have length zero in single precision')
    // Kept in single precision, indexed and measured in half.
    const long = [1e-9, ...Array.from({ length: 2000 }, () => 0)]
    expect(() => check(long, { ...cosine, embeddingDimension: 2001 })).toThrow('length zero in half precision')
    expect(check(long.slice(1).with(0, 1e-9), { ...cosine, embeddingDimension: 2000 })).toHaveLength(2000)
    expect(check([0, 0, 0, 0])).toHaveLength(4)
  })

  it.each(['l2', 'cosine', 'ip'] as const)('is no longer than its distances can be told, for %s', (embeddingDistance) => {
    expect(() => check([2e19, 0, 0, 0], { embeddingDistance })).toThrow('embedding: must have a length')
    expect(() => check([5e18, 5e18, 5e18, 5e18], { embeddingDistance })).toThrow('must have a length')
    expect(() => check([3e38, 3e38, 3e38, 3e38], { embeddingDistance })).toThrow('must have a length')
    expect(check([4e18, -4e18, 4e18, 4e18], { embeddingDistance })).toHaveLength(4)
    // Two of them, opposite to each other.
    expect(Number.isFinite(Math.fround((2 * 9e18) ** 2 * (1 + 2 ** -10)))).toBe(true)
  })

  it('is written with 0 for what vanishes in single precision', () => {
    expect(arrayLiteral([1e-50, -1e-50, 1e-45, 0.1, -0])).toBe('{0,0,1e-45,0.1,0}')
  })
})
