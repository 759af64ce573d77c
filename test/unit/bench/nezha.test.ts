import { expect, test } from 'vitest'
import { faultWindows } from '../../../bench/nezha.ts'

const at = (clock: string) => Date.parse(`2023-01-30T${clock}Z`)
/** Minutes of files, named and from when to when: `11:51 11:50:53 11:51:52`. */
const recorded = (...minutes: string[]) =>
  minutes.map((text) => {
    const [named, from, to] = text.split(' ')
    return { time: at(`${named}:00`), from: at(from!), to: at(to!) }
  })
const during = (from: string, to: string) => ({ from: new Date(at(`${from}:00`)), to: new Date(at(`${to}:00`)) })

test('a range is from the bucket of an alert to the end of the records, which is before the next fault', () => {
  const { baseline, ranges } = faultWindows({
    injections: [at('11:51:46'), at('11:59:21'), at('12:06:12')],
    calm: recorded('11:39 11:38:52 11:39:51'),
    faulty: recorded(
      '11:51 11:50:53 11:51:52',
      '11:52 11:51:52 11:52:52',
      '11:53 11:52:52 11:53:52',
      '11:59 11:58:52 11:59:51',
      '12:01 12:00:52 12:01:53',
      '12:06 12:05:53 12:06:52',
      '12:07 12:06:58 12:07:51',
    ),
  })
  expect(baseline).toEqual(during('11:35', '11:50'))
  expect(ranges).toEqual([during('11:50', '11:54'), during('12:00', '12:02'), during('12:05', '12:08')])
})

test('the calm minutes of a day whose first fault is earlier are the baseline as far as no fault has their buckets', () => {
  const { baseline, ranges } = faultWindows({
    injections: [at('08:43:04'), at('08:52:06')],
    calm: recorded('08:50 08:48:16 08:51:04'),
    faulty: recorded('08:43 08:42:09 08:43:08', '08:45 08:44:08 08:45:08', '08:52 08:50:08 08:53:09', '08:54 08:53:08 08:54:07'),
  })
  expect(ranges).toEqual([during('08:40', '08:45'), during('08:50', '08:54')])
  expect(baseline).toEqual(during('08:45', '08:50'))
})

test('a fault without records has the minute of its alert', () => {
  const { ranges } = faultWindows({ injections: [at('11:51:46')], calm: recorded('11:39 11:38:00 11:39:00'), faulty: [] })
  expect(ranges).toEqual([during('11:50', '11:52')])
})
