/**
 * The demo on the shop: replays its recorded incident, or with `--live` runs the shop and breaks it.
 *
 *     npm run demo                        the recorded incident
 *     npm run demo -- --calm              the recording in which nothing happens
 *     npm run demo -- --live              the services for real: half an hour, the fault after 20 minutes
 *     npm run demo -- --database URL --sql
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { runDemo, type DemoContext } from '../../src/cli/demo.ts'
import { demoOptions, type DemoOptions } from '../../src/cli/demoCommand.ts'
import { load, replay, type Replayed } from '../../src/cli/demo/replay.ts'
import { exitCode } from '../../src/cli/exitCode.ts'
import { describeError, exitCodeOf } from '../../src/cli/failure.ts'
import type { Scope } from '../../src/database/scope.ts'
import { VantageError } from '../../src/schema/errors.ts'
import { receiveOtlp } from './receiveOtlp.ts'
import { startShop } from './shop.ts'

interface ShopDemoOptions extends DemoOptions {
  calm?: boolean
  live?: boolean
  minutes: number
  faultAt: number
  errorsAt: number
}

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupted.abort(new VantageError('interrupted')))
const context: DemoContext = { signal: interrupted.signal, interactive: process.stderr.isTTY, say: (text) => process.stdout.write(text) }

const command = demoOptions(new Command('demo').description("replay the shop's recorded incident and tell its story"))
  .option('--calm', 'replay the recording in which nothing happened')
  .option('--live', 'start the services and break one, instead of replaying a recording')
  .option('--minutes <n>', 'with --live: how long to run them', minutes, 30)
  .option('--fault-at <n>', 'with --live: the minute in which a service becomes slow', minutes, 20)
  .option('--errors-at <n>', 'with --live: the minute in which it also fails', minutes, 25)
  .action(async (options: ShopDemoOptions) => {
    const fill = options.live
      ? (scope: Scope) => runLive(scope, options)
      : (scope: Scope) => replay(scope, recording(options.calm ? 'calm' : 'incident'), context)
    await runDemo(fill, options, context)
  })

try {
  await command.parseAsync()
} catch (error) {
  process.stderr.write(`${describeError(error, { command: undefined, env: process.env }, process.argv.includes('--verbose'))}\n`)
  process.exitCode = interrupted.signal.aborted ? exitCode.interrupted : exitCodeOf(error)
}

function recording(name: string): string {
  return fileURLToPath(new URL(`recordings/${name}.jsonl.gz`, import.meta.url))
}

/** Runs the services, takes in what they report while they run, and breaks one of them. */
async function runLive(scope: Scope, { minutes, faultAt, errorsAt, calm }: ShopDemoOptions): Promise<Replayed> {
  const { readable, writable } = new TransformStream<string, string>()
  const lines = writable.getWriter()
  const loaded = load(scope, readable, { signal: context.signal, origin: { objectBucket: 'live', objectKey: 'shop' } })
  await using receiver = await receiveOtlp({ port: 0, onRequest: (request) => lines.write(`${JSON.stringify(request)}\n`) })
  await using shop = await startShop({
    otlpEndpoint: receiver.endpoint,
    signal: context.signal,
    ...(calm ? {} : { faultAfterMs: faultAt * 60_000, errorAfterMs: errorsAt * 60_000 }),
    onFault: (fault, at) => context.say(`${at.toISOString().slice(11, 19)}Z fault injected: ${fault}\n`),
  })
  context.say(`the shop is open at ${shop.url}; it closes in ${minutes} minutes\n`)
  await Promise.race([sleep(minutes * 60_000, undefined, { signal: context.signal }), shop.closed, loaded])
  await shop.stop()
  await lines.close()
  return loaded
}

function minutes(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number of minutes above 0.')
  return value
}
