/**
 * Runs the shop in real time and records its telemetry.
 *
 *     node examples/shop/record.ts --minutes 60 --fault-at 40 --errors-at 50 --out examples/shop/recordings/incident.jsonl.gz
 *     node examples/shop/record.ts --minutes 30 --out examples/shop/recordings/calm.jsonl.gz --port-base 18180 --seed 2
 *
 * Minutes count from when the recording begins, after a warm-up that is not recorded (`--warm-up`, in minutes). Without `--fault-at` nothing
 * goes wrong. Ctrl-C ends early and keeps the file.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openRecording } from './openRecording.ts'
import { receiveOtlp } from './receiveOtlp.ts'
import { startShop } from './shop.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    'fault-at': { type: 'string' },
    'errors-at': { type: 'string' },
    out: { type: 'string' },
    'journeys-per-second': { type: 'string', default: '1.4' },
    seed: { type: 'string', default: '1' },
    'port-base': { type: 'string', default: '18080' },
    'warm-up': { type: 'string', default: '0.5' },
  },
})
if (values.out === undefined) throw new Error('--out FILE is missing: where shall the recording go?')
const durationMs = minutes('minutes', values.minutes)
const warmUpMs = minutes('warm-up', values['warm-up'])
const faultMs = values['fault-at'] === undefined ? undefined : minutes('fault-at', values['fault-at'])
const errorsMs = values['errors-at'] === undefined ? undefined : minutes('errors-at', values['errors-at'])

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
process.once('SIGTERM', () => interrupted.abort())

const recording = await openRecording(values.out)
let isWarm = false
let lines = 0
await using receiver = await receiveOtlp({
  port: 0,
  onRequest: async (request) => {
    if (!isWarm) return
    await recording.write(request)
    lines++
  },
})
await using shop = await startShop({
  otlpEndpoint: receiver.endpoint,
  portBase: number('port-base', values['port-base']),
  journeysPerSecond: number('journeys-per-second', values['journeys-per-second']),
  seed: number('seed', values.seed),
  faultAfterMs: faultMs === undefined ? undefined : warmUpMs + faultMs,
  errorAfterMs: errorsMs === undefined ? undefined : warmUpMs + errorsMs,
  signal: interrupted.signal,
  onFault: (fault, at) => say(`fault injected: ${fault}`, at),
})
say(`the shop is open at ${shop.url}`)

const pause = (ms: number): Promise<void> => Promise.race([sleep(ms, undefined, interrupted), shop.closed]).catch(unlessInterrupted)
await pause(warmUpMs)
isWarm = true
say('recording')
await pause(durationMs)
await shop.stop()
await recording.close()
say(`${lines} lines in ${values.out}`)

function say(message: string, at = new Date()): void {
  console.log(`${at.toISOString()} ${message}`)
}

function unlessInterrupted(error: unknown): void {
  if (!interrupted.signal.aborted) throw error
}

function number(option: string, value: string): number {
  const parsed = Number(value)
  if (!(parsed >= 0)) throw new Error(`--${option} is ${JSON.stringify(value)}, expected a number that is not negative`)
  return parsed
}

function minutes(option: string, value: string): number {
  return number(option, value) * 60_000
}
