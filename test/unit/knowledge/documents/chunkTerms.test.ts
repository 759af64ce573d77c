import { expect, it } from 'vitest'
import { chunkTermsOf, isWord, lengthOf } from '../../../../src/knowledge/documents/chunkTerms.ts'
import { unitScope } from '../../../support/unitScope.ts'

it.each(['disk', 'payment', 'café', 'привет', 'httpserverdur'])('takes %j for a word that can be misspelt', (term) => {
  expect(isWord(term)).toBe(true)
})

it.each(['abc', 'ora00942', '1234567', '1.2.3', '支付', '支付超时', 'เวลาหมด', 'ab支付', ''])('takes %j for none', (term) => {
  expect(isWord(term)).toBe(false)
})

it('counts what is in the context twice, and places what is in the content', () => {
  const terms = chunkTermsOf(unitScope())({ context: 'Slow disks', content: 'The disk, the disk' })
  expect(terms).toEqual([
    { term: 'the', frequency: 2, position: 0, width: 3 },
    { term: 'disk', frequency: 4, position: 4, width: 4 },
    { term: 'slow', frequency: 2, position: null, width: null },
  ])
  expect(lengthOf(terms)).toBe(8)
})
