import { expect, test } from 'vitest'
import { faultWindows } from '../../../bench/nezha.ts'

const at = (clock: string) => Date.parse(`2023-01-30T${clock}Z`)
const recorded = (...spans: string[]) => spans.map((span) => ({ from: at(span.split(' ')[0]!), to: at(span.split(' ')[1]!) }))
const minutes = (...clocks: string[]) => clocks.map((clock) => at(`${clock}:00`))
const during = (from: string, to: string) => ({ from: new Date(at(`${from}:00`)), to: new Date(at(`${to}:00`)) })

test('a range is from the bucket of an alert to the end of the data, which is before the next fault', () => {
  const { baseline, ranges } = faultWindows({
    injections: [at('11:51:46'), at('11:59:21'), at('12:06:12')],
    calm: recorded('11:38:52 11:39:51'),
    faulty: minutes('11:51', '11:52', '11:53', '11:59', '12:00', '12:01', '12:06', '12:07'),
  })
  expect(baseline).toEqual(during('11:35', '11:50'))
  expect(ranges).toEqual([during('11:50', '11:54'), during('12:00', '12:02'), during('12:05', '12:08')])
})

test('the calm minutes of a day whose first fault is earlier are the baseline as far as no fault has their buckets', () => {
  const { baseline, ranges } = faultWindows({
    injections: [at('08:43:04'), at('08:52:06')],
    calm: recorded('08:48:16 08:51:04'),
    faulty: minutes('08:43', '08:45', '08:52', '08:54'),
  })
  expect(ranges).toEqual([during('08:40', '08:45'), during('08:50', '08:55')])
  expect(baseline).toEqual(during('08:45', '08:50'))
})

test('a fault without records has the minute of its alert', () => {
  const { ranges } = faultWindows({ injections: [at('11:51:46')], calm: recorded('11:38:00 11:39:00'), faulty: [] })
  expect(ranges).toEqual([during('11:50', '11:52')])
})
