/** The other thread of `loadInThread`: it does all that a load does but reach the outside. */
import { parentPort, workerData } from 'node:worker_threads'
import { tenantScope } from '../../database/scope.ts'
import { loadSources } from '../loadSources.ts'
import type { OtlpSource } from '../sources/requestsOf.ts'
import { Calls, type Port } from './calls.ts'
import { threadFailures } from './failures.ts'
import { serviceDatabase } from './serviceDatabase.ts'
import type { ServiceSide, ThreadData, ThreadSide } from './sides.ts'

const { tenantCode, schema, sources, options, tellsWindows } = workerData as ThreadData

const ours: ThreadSide = {
  async load() {
    const scope = await tenantScope(serviceDatabase(service), tenantCode, { schema })
    const placed = sources.map(({ path, origin }, index) => ({ source: bytesOf(index, path), origin }))
    return loadSources(scope, placed, {
      ...options,
      onMalformed: (malformed) => tell(service.call('malformed', malformed)),
      onRefused: (refused) => tell(service.call('refused', refused)),
      onRecognised: (recognised) => tell(service.call('recognised', recognised)),
      onWindow: tellsWindows ? (window, report) => tell(service.call('window', window, report)) : undefined,
    })
  },
}

const service = new Calls<ServiceSide>(parentPort as Port, { ...ours }, threadFailures)

/** Told, whatever comes of it: a failure there ends the load there. */
const tell = (told: Promise<unknown>): void => void told.catch(() => {})

function bytesOf(source: number, path: string | undefined): OtlpSource {
  async function* chunks(): AsyncGenerator<string | Uint8Array> {
    try {
      for (let chunk = await service.call('chunk', source); chunk !== undefined; chunk = await service.call('chunk', source)) yield chunk
    } finally {
      await service.call('endSource', source)
    }
  }
  return Object.assign({ [Symbol.asyncIterator]: chunks }, path === undefined ? {} : { path })
}

tell(service.call('ready'))
