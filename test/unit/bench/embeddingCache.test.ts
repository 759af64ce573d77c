import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cachedEmbed } from '../../../bench/embeddingCache.ts'

it('embeds each text once, whatever run asks for it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-cache-'))
  try {
    const asked: string[] = []
    const open = () =>
      cachedEmbed(
        async (texts) => {
          asked.push(...texts)
          return texts.map((text) => [text.length, 0.5])
        },
        { file: join(folder, 'new', 'cache.bin'), dimension: 2 },
      )
    const first = await open()
    expect(await first(['a', 'bb', 'a'])).toEqual([
      [1, 0.5],
      [2, 0.5],
      [1, 0.5],
    ])
    expect(await first(['bb', 'ccc'])).toEqual([
      [2, 0.5],
      [3, 0.5],
    ])
    expect(asked).toEqual(['a', 'bb', 'ccc'])
    // Another run, after one that was interrupted while it wrote.
    await appendFile(join(folder, 'new', 'cache.bin'), 'unfinished')
    await (
      await open()
    )(['dddd'])
    expect(asked).toEqual(['a', 'bb', 'ccc', 'dddd'])
    expect(await (await open())(['ccc', 'dddd'])).toEqual([
      [3, 0.5],
      [4, 0.5],
    ])
    expect(asked).toEqual(['a', 'bb', 'ccc', 'dddd'])
  } finally {
    await rm(folder, { recursive: true })
  }
})
