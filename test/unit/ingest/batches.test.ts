import { expect, it } from 'vitest'
import { batches } from '../../../src/ingest/journal/batches.ts'
import { all, log, logs, requests } from './telemetry.ts'

const given = requests(Array.from({ length: 7 }, (_, at) => logs('a', [log(at, 'x'), log(at, 'y')])))

it('are of so many records, each request once and in order', async () => {
  const groups = await all(batches(given, { most: 6 }))
  expect(groups.map((group) => group.length)).toEqual([2, 2, 2, 1])
  expect(groups.flat()).toEqual(given)
  expect(await all(batches([]))).toEqual([])
})

it('do not wait for a source that has gone quiet, and leave it when nobody wants more', async () => {
  let closed = false
  async function* source() {
    try {
      yield given[0]!
      await new Promise<void>(() => {})
    } finally {
      closed = true
    }
  }
  const groups = batches(source(), { wait: 20 })
  expect((await groups.next()).value).toEqual([given[0]])
  expect((await groups.next()).value).toEqual([])
  await groups.return(undefined)
  expect(closed).toBe(false)
})

it('end with the error of their source, and close it', async () => {
  let closed = false
  async function* source() {
    try {
      yield given[0]!
      throw new Error('broken')
    } finally {
      closed = true
    }
  }
  await expect(all(batches(source()))).rejects.toThrow('broken')
  expect(closed).toBe(true)
})
