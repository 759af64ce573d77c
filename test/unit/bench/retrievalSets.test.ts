import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { isEnglish, retrievalSets } from '../../../bench/retrievalSets.ts'

it('reads each folder of the layout of BEIR, with the questions to which something was judged', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-retrieval-'))
  try {
    const write = async (name: string, files: Record<string, string>) => {
      await mkdir(join(folder, name))
      for (const [file, text] of Object.entries(files)) await writeFile(join(folder, name, file), text)
    }
    await write('b', { 'corpus.jsonl': '', 'queries.jsonl': '', 'qrels.tsv': 'query-id\tcorpus-id\tscore\n' })
    await write('a', {
      'corpus.jsonl': '{"_id":"1","title":"Super_Bowl","text":"x"}\n{"_id":"2","text":"y"}\n',
      'queries.jsonl': '{"_id":"q","text":"who?"}\n{"_id":"unjudged","text":"when?"}\n',
      'qrels.tsv': 'query-id\tcorpus-id\tscore\nq\t1\t2\r\nq\t2\t0\n',
    })
    const sets = []
    for await (const set of retrievalSets(folder)) sets.push(set)
    expect(sets).toEqual([
      {
        name: 'a',
        documents: [
          { id: '1', title: 'Super Bowl', text: 'x' },
          { id: '2', title: '', text: 'y' },
        ],
        questions: [
          {
            id: 'q',
            text: 'who?',
            relevance: new Map([
              ['1', 2],
              ['2', 0],
            ]),
          },
        ],
      },
      { name: 'b', documents: [], questions: [] },
    ])
  } finally {
    await rm(folder, { recursive: true })
  }
})

it.each([
  ['The provider is slow, and the payments of the last hour have failed with it.', true],
  ['a wide band amplifier for the measurement of noise in the microwave region is described', true],
  ['Der Anbieter ist langsam, und die Zahlungen der letzten Stunde sind fehlgeschlagen.', false],
  ['Le fournisseur est lent et les paiements de la dernière heure ont échoué.', false],
  ['支付服务 HTTP 503 超时，the service 重启', false],
  ['', false],
])('of %j says whether it is English: %s', (text, expected) => {
  expect(isEnglish([{ id: '1', title: '', text }])).toBe(expected)
})
