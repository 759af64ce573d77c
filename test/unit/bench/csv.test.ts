import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { cellNumber, csvRecords, csvRows } from '../../../bench/csv.ts'

test.each<[string, string[][]]>([
  [
    'a,b\n1,2\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  [
    'a,b\r\n1,2\r\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  ['1,"x ""y"", z"', [['1', 'x "y", z']]],
  [
    '"two\nlines",2\n\n3,4',
    [
      ['two\nlines', '2'],
      ['3', '4'],
    ],
  ],
  [',\n', [['', '']]],
  ['1,', [['1', '']]],
  ['"never closed', [['never closed']]],
  ['', []],
])('reads %j', (text, records) => {
  expect([...csvRecords(text)]).toEqual(records)
})

test('reads whatever is written as RFC 4180 has it', () => {
  const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`
  const plain = (field: string) => (/[",\r\n]/.test(field) ? quoted(field) : field)
  const fields = fc.array(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ') }), { minLength: 2, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(fields), fc.constantFrom(quoted, plain), fc.constantFrom('\n', '\r\n'), (records, written, end) => {
      const text = records.map((record) => record.map(written).join(',') + end).join('')
      expect([...csvRecords(text)]).toEqual(records)
    }),
  )
})

test('names the fields of a row; one that is missing is undefined', () => {
  expect([...csvRows('a,b\n1,2\n3\n')]).toEqual([
    { a: '1', b: '2' },
    { a: '3', b: undefined },
  ])
})

test.each([
  ['1.5', 1.5],
  [' 0 ', 0],
  ['', null],
  ['NaN', null],
  ['+Inf', null],
  [undefined, null],
])('takes %j as %j', (cell, value) => {
  expect(cellNumber(cell)).toBe(value)
})
