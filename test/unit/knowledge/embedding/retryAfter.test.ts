import { expect, it } from 'vitest'
import { retryAfterMs } from '../../../../src/knowledge/embedding/retryAfter.ts'

const now = Date.parse('2025-01-01T00:00:00Z')

it.each<[unknown, number | undefined]>([
  [{ 'retry-after': '3' }, 3000],
  [{ 'Retry-After': '0.5' }, 500],
  [{ 'retry-after': ['2'] }, 2000],
  [{ 'retry-after': 2 }, 2000],
  [new Headers({ 'Retry-After': ' 4 ' }), 4000],
  [{ 'retry-after-ms': '1250' }, 1250],
  [{ 'retry-after': 'Wed, 01 Jan 2025 00:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Tue, 31 Dec 2024 00:00:00 GMT' }, 0],
  [{ 'retry-after': '-1' }, undefined],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after': '' }, undefined],
  [{ 'retry-after': null }, undefined],
  [new Headers(), undefined],
  ['retry-after: 3', undefined],
  [undefined, undefined],
])('reads %j as %s', (headers, expected) => {
  expect(retryAfterMs(headers, now)).toBe(expected)
})
