import { describe, expect, it } from 'vitest'
import { rankedDocuments } from '../../../../src/knowledge/quality/rankedDocuments.ts'

const chunk = (url: string) => ({ doc_id: `1${url}`, source: 's', title: null, url })
const keys = (...urls: string[]) => urls.map((url) => JSON.stringify(['s', url]))

/** A search over chunks of documents, best first, that notes what it was asked for. */
function searching(...urls: string[]) {
  const asked: number[] = []
  const search = async (chunks: number) => {
    asked.push(chunks)
    return urls.slice(0, chunks).map(chunk)
  }
  return { search, asked }
}

describe('rankedDocuments', () => {
  it('counts a document once, at the place of its best chunk', async () => {
    const { search, asked } = searching('a', 'b', 'a', 'a', 'c', 'b')
    expect(await rankedDocuments(search, { documents: 10, sizes: [10, 100] })).toEqual({ documents: keys('a', 'b', 'c'), cut: false })
    expect(asked).toEqual([10])
  })

  it('asks for more chunks where they are of too few documents, and no more than that', async () => {
    const { search, asked } = searching('a', 'a', 'a', 'b', 'c', 'd')
    expect(await rankedDocuments(search, { documents: 2, sizes: [3, 5, 6] })).toEqual({ documents: keys('a', 'b'), cut: false })
    expect(asked).toEqual([3, 5])
  })

  it('says where there may be more below the last chunk it can ask for', async () => {
    const { search } = searching('a', 'a', 'a', 'b', 'c')
    expect(await rankedDocuments(search, { documents: 3, sizes: [2, 4] })).toEqual({ documents: keys('a', 'b'), cut: true })
    expect(await rankedDocuments(search, { documents: 3, sizes: [2, 5] })).toEqual({ documents: keys('a', 'b', 'c'), cut: false })
    expect(await rankedDocuments(search, { documents: 4, sizes: [2, 6] })).toEqual({ documents: keys('a', 'b', 'c'), cut: false })
  })

  it('keeps the places that a search for fewer chunks has given', async () => {
    const search = async (chunks: number) => (chunks === 2 ? ['a', 'b'] : ['c', 'b', 'a', 'd']).map(chunk)
    expect((await rankedDocuments(search, { documents: 4, sizes: [2, 4] })).documents).toEqual(keys('a', 'b', 'c', 'd'))
  })

  it('tells documents without a URL apart by their title, and those of nobody by their id', async () => {
    const rows = [
      { doc_id: '1', source: 's', title: 't', url: null },
      { doc_id: '2', source: 's', title: 'u', url: null },
      { doc_id: '3', source: null, title: 't', url: null },
      { doc_id: '4', source: 's', title: null, url: null },
      { doc_id: '5', source: 's', title: null, url: null },
    ]
    const { documents } = await rankedDocuments(async () => rows, { documents: 9, sizes: [10] })
    expect(documents).toEqual([JSON.stringify(['s', null, 't']), JSON.stringify(['s', null, 'u']), '3', '4', '5'])
  })
})
