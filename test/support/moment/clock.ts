// Loaded by `--import` before anything else of a process: moves its clock by `PGVANTAGE_TEST_SHIFT` milliseconds, and with it that of a PGlite inside it.
//
// Time goes on from there as it always does. Timers and `performance.now()` measure lengths, and are left as they are.
const shift = Number(process.env.PGVANTAGE_TEST_SHIFT ?? 0)

if (shift !== 0) {
  const RealDate = Date
  const realNow = RealDate.now
  RealDate.now = () => realNow() + shift
  globalThis.Date = new Proxy(RealDate, {
    apply: () => new RealDate(RealDate.now()).toString(),
    construct: (target, given: unknown[], made) => Reflect.construct(target, given.length === 0 ? [RealDate.now()] : given, made) as Date,
  })
  RealDate.prototype.constructor = globalThis.Date
}
