import { InvalidInputError } from '../../../../schema/errors.ts'
import { zoneMinutes } from './zoneNames.ts'

const quarter = 15 * 60_000
const day = 24 * 60 * 60_000

/** A time zone: which moments a local time can be. */
export interface TimeZone {
  readonly name: string
  /**
   * The moments of a local time, both in milliseconds, the earlier first. Two when clocks were set
   * back; when they were set forward, the moment as if they had not been yet.
   */
  momentsOf(local: number): readonly number[]
}

const fixed = (name: string, minutes: number): TimeZone => ({ name, momentsOf: (local) => [local - minutes * 60_000] })

export const utc = fixed('UTC', 0)

/**
 * A zone by its IANA name, or by its offset.
 *
 * @throws InvalidInputError naming `field`.
 */
export function timeZone(name: string, field = 'timeZone'): TimeZone {
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(name)
  if (offset !== null && Number(offset[2]) <= 18)
    return fixed(name, (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0)))
  if (name.toUpperCase() === 'Z' || name.toUpperCase() === 'UTC') return utc
  // What Intl takes for EST is a zone without daylight saving; IANA has names such as America/New_York.
  if (zoneMinutes.has(name.toUpperCase())) return fixed(name, zoneMinutes.get(name.toUpperCase())!)
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch (cause) {
    throw new InvalidInputError(
      field,
      `must be a time zone such as Europe/Berlin, or an offset such as +02:00, got ${JSON.stringify(name.slice(0, 80))}`,
      { cause },
    )
  }
  return named(name, format)
}

function named(name: string, format: Intl.DateTimeFormat): TimeZone {
  const offsetAt = (moment: number): number => {
    const parts = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]))
    const { year, month, day, hour, minute, second } = parts as Record<string, number>
    return Date.UTC(year!, month! - 1, day, hour, minute, second) - Math.floor(moment / 1000) * 1000
  }
  // Clocks are set at a quarter of an hour: its offsets hold for all its times.
  const known = new Map<number, readonly number[]>()
  const offsetsIn = (local: number): readonly number[] => {
    const before = offsetAt(local - day)
    const after = offsetAt(local + day)
    const possible = [...new Set([before, after])].filter((offset) => offsetAt(local - offset) === offset)
    // In the gap no clock showed this time.
    return possible.length === 0 ? [before] : possible.toSorted((a, b) => b - a)
  }
  return {
    name,
    momentsOf(local) {
      const start = Math.floor(local / quarter) * quarter
      let offsets = known.get(start)
      if (offsets === undefined) {
        offsets = offsetsIn(start)
        if (known.size >= 1000) known.clear()
        known.set(start, offsets)
      }
      return offsets.map((offset) => local - offset)
    },
  }
}
