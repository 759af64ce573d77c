import { expect, test } from 'vitest'
import { faultWindows } from '../../../bench/nezha.ts'

const at = (clock: string) => Date.parse(`2023-01-30T${clock}Z`)
const minutes = (...clocks: string[]) => clocks.map((clock) => at(`${clock}:00`))
const during = (from: string, to: string) => ({ from: new Date(at(`${from}:00`)), to: new Date(at(`${to}:00`)) })

test('a range is from the bucket of an alert to the end of the data, which is before the next fault', () => {
  const { baseline, ranges } = faultWindows({
    injections: [at('11:51:46'), at('11:59:21'), at('12:06:12')],
    calm: minutes('11:39'),
    faulty: minutes('11:51', '11:52', '11:53', '11:59', '12:00', '12:01', '12:06', '12:07'),
  })
  expect(baseline).toEqual(during('11:35', '11:50'))
  expect(ranges).toEqual([during('11:50', '11:54'), during('12:00', '12:02'), during('12:05', '12:08')])
})

test('a calm minute that comes later is the baseline alone, and no fault is looked for in it', () => {
  const { baseline, ranges } = faultWindows({
    injections: [at('11:51:46'), at('13:06:00')],
    calm: minutes('13:08', '13:09'),
    faulty: minutes('11:51', '11:52', '13:11'),
  })
  expect(baseline).toEqual(during('13:05', '13:10'))
  expect(ranges).toEqual([during('11:50', '11:53'), during('13:10', '13:12')])
})

test('a fault without data has the minute of its alert', () => {
  const { ranges } = faultWindows({ injections: [at('11:51:46')], calm: minutes('11:39'), faulty: [] })
  expect(ranges).toEqual([during('11:50', '11:52')])
})
