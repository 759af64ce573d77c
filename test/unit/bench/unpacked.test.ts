import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { expect, onTestFinished, test } from 'vitest'
import { unpack } from '../../../bench/unpacked.ts'

async function archiveOf(files: Record<string, string>): Promise<{ archive: string; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const entries = pack()
  entries.entry({ name: 'day', type: 'directory' })
  for (const [name, text] of Object.entries(files)) entries.entry({ name }, text)
  entries.finalize()
  const archive = join(folder, 'data.tar.gz')
  await writeFile(archive, gzipSync(await buffer(entries)))
  return { archive, folder: join(folder, 'into') }
}

test('unpacks files into folders', async () => {
  const { archive, folder } = await archiveOf({ 'day/trace/one.csv': 'a,b', './two.csv': '' })
  await unpack(archive, folder)
  expect(await readFile(join(folder, 'day/trace/one.csv'), 'utf8')).toBe('a,b')
  expect(await readFile(join(folder, 'two.csv'), 'utf8')).toBe('')
})

test('refuses a file outside of the folder', async () => {
  const { archive, folder } = await archiveOf({ '../two.csv': 'x' })
  await expect(unpack(archive, folder)).rejects.toThrow('outside of it: ../two.csv')
})

test('says when the archive is damaged', async () => {
  const { archive, folder } = await archiveOf({ 'one.csv': 'x'.repeat(100_000) })
  const bytes = await readFile(archive)
  await writeFile(archive, bytes.subarray(0, bytes.length - 20))
  await expect(unpack(archive, folder)).rejects.toThrow()
})
