const clock = new URL('./clock.ts', import.meta.url).href

/**
 * Has a run of the tests take place at the moment that `PGVANTAGE_TEST_NOW` names
 * (`2024-02-29T12:00:00Z`): this process, its workers and what they start believe that it began
 * then. Without the variable it takes place now.
 *
 * How far the clocks are moved is found once, in whole seconds, and handed down in
 * `PGVANTAGE_TEST_SHIFT`, so that all of a run's clocks agree.
 *
 * @throws Error when the variable names no moment.
 */
export async function moveClocks(): Promise<void> {
  const named = process.env.PGVANTAGE_TEST_NOW
  if (inMoments && !process.env.NODE_OPTIONS?.includes(clock))
    process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${clock}`.trim()
  if (!named || process.env.PGVANTAGE_TEST_SHIFT !== undefined) return
  const moment = Date.parse(named)
  if (Number.isNaN(moment)) throw new Error(`PGVANTAGE_TEST_NOW must be a moment such as 2024-02-29T12:00:00Z, got ${named}`)
  process.env.PGVANTAGE_TEST_SHIFT = String(Math.round((moment - Date.now()) / 1000) * 1000)
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${clock}`.trim()
  await import('./clock.ts')
}

/** By how many milliseconds the clock of this process is moved; 0 for a run that takes place now. */
export const clockShift = (): number => globalThis.pgvantageClockShift ?? Number(process.env.PGVANTAGE_TEST_SHIFT ?? 0)

/** Whether the tests of this run go to each of their leg's moments themselves (`atEachMoment`). */
export const inMoments = process.env.PGVANTAGE_TEST_MOMENTS !== undefined

/** Whether they then go to all the moments there are. */
export const inAllMoments = process.env.PGVANTAGE_TEST_MOMENTS === 'all'

let current: string | undefined

/** The moment that the tests of this process are at by `goTo`; undefined where they are at none of their own. */
export const momentNow = (): string | undefined => current

/** Moves the clock of this process, and its zone, to a moment; without one back to what they were. */
export function goTo(moment?: { now: string; zone: string }): void {
  current = moment?.now
  globalThis.pgvantageClockShift = moment === undefined ? 0 : Math.round((Date.parse(moment.now) - Date.now() + clockShift()) / 1000) * 1000
  process.env.TZ = moment?.zone ?? 'UTC'
}
