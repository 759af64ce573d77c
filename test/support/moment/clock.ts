// Loaded by `--import` before anything else of a process: moves its clock by `PGVANTAGE_TEST_SHIFT` milliseconds, and with it that of a PGlite inside it.
//
// Time goes on from there as it always does. Timers and `performance.now()` measure lengths, and are left as they are.
declare global {
  /** By how many milliseconds the clock of this process is moved; undefined where it cannot be moved. */
  var pgvantageClockShift: number | undefined
}

if (globalThis.pgvantageClockShift === undefined) {
  globalThis.pgvantageClockShift = Number(process.env.PGVANTAGE_TEST_SHIFT ?? 0)
  const RealDate = Date
  const realNow = RealDate.now
  RealDate.now = () => realNow() + globalThis.pgvantageClockShift!
  globalThis.Date = new Proxy(RealDate, {
    apply: () => new RealDate(RealDate.now()).toString(),
    construct: (target, given: unknown[], made) => Reflect.construct(target, given.length === 0 ? [RealDate.now()] : given, made) as Date,
  })
  RealDate.prototype.constructor = globalThis.Date
}

export {}
