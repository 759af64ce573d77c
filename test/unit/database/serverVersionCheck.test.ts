import { expect, it } from 'vitest'
import type { Examined } from '../../../src/database/checks/check.ts'
import { serverVersionCheck } from '../../../src/database/checks/serverVersionCheck.ts'

const find = (version: string, versionNumber: number) => serverVersionCheck.find({ server: { version, versionNumber } } as Examined)

it.each([
  ['PostgreSQL 17.0', 170_000],
  ['PostgreSQL 18.6', 180_006],
])('has nothing to say of %s', (version, versionNumber) => {
  expect(find(version, versionNumber)).toEqual([])
})

it('warns of a version it was never tested on', () => {
  expect(find('PostgreSQL 16.10', 160_010)).toEqual([
    {
      severity: 'warning',
      code: 'server-version',
      message: 'PostgreSQL 16.10 is older than PostgreSQL 17, the oldest version pgvantage is tested on',
      remedy: expect.stringContaining('upgrade to PostgreSQL 17 or later'),
    },
  ])
})
