import { containerFormats, type ContainerFormat } from './containerLines.ts'
import type { LineFormat } from './lineFormat.ts'
import { LogClock, withoutDate, type LogClockOptions, type WrongTime } from '../time/logClock.ts'
import { recogniseFormat, type NotRecognised, type RecogniseOptions } from './recogniseFormat.ts'

/** How a text is read. */
export interface ChosenFormat {
  container: ContainerFormat | undefined
  /** Undefined for the lines of a container without a header. */
  format: LineFormat | undefined
  /** The zone of times without one; null if all of the first lines have a zone. */
  timeZone: string | null
  /** The year of the first line; null if times have a year. */
  year: number | null
}

/** Chooses how a text is read, from its first lines. */
export function chooseFormat(
  sample: readonly string[],
  options: Pick<RecogniseOptions, 'header' | 'dateOrder'>,
  clock: LogClockOptions,
): ChosenFormat | NotRecognised {
  const lines = sample.filter((line) => line.trim() !== '')
  const isDated = clock.date !== undefined
  for (const container of containerFormats) {
    const kept = lines.flatMap((line) => container.read(line) ?? [])
    if (kept.length < Math.max(1, lines.length * 0.9)) continue
    // The container's own times count.
    const format = recogniseFormat(
      kept.map(({ text }) => text),
      { ...options, isTimed: true },
    )
    if ('reason' in format && options.header !== undefined) return format
    return { container, format: 'reason' in format ? undefined : format, timeZone: null, year: null }
  }
  const format = recogniseFormat(lines, { ...options, isDated })
  if ('reason' in format) return format
  let timeZone: string | null = null
  let year: number | null = null
  const trial = new LogClock(clock)
  for (const line of lines) {
    const time = format.read(line)?.time
    if (time === undefined || time.epoch !== undefined) continue
    if (typeof time.zone === 'string' && clock.zone === undefined)
      return { reason: `${time.zone} is the name of several time zones: give the time zone` }
    if (!time.hasDate && !isDated) return { reason: withoutDate }
    if (typeof time.zone !== 'number') timeZone = clock.zone?.name ?? 'UTC'
    const moment: bigint | WrongTime | undefined = time.hasDate && time.year === undefined && year === null ? trial.moment(time) : undefined
    if (typeof moment === 'bigint') year = new Date(Number(moment / 1_000_000n)).getUTCFullYear()
  }
  return { container: undefined, format, timeZone, year }
}
