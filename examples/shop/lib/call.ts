import { Agent, request } from 'node:http'
import { json } from 'node:stream/consumers'
import type { ZodType } from 'zod'
import { portOf, type ServiceName } from '../topology.ts'
import { host, portBase } from './environment.ts'

/** A call that was not answered with 200. `status` is 0 where no answer came in time. */
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** What to ask another service, and what to expect. */
export interface CallOptions<Answer> {
  readonly method?: 'GET' | 'POST'
  readonly body?: unknown
  /** What a good answer looks like. */
  readonly answer: ZodType<Answer>
  /** Milliseconds until the call is given up. Default 2000. */
  readonly timeoutMs?: number
}

const agent = new Agent({ keepAlive: true })

/**
 * Calls another service of the shop and resolves to the body of its answer.
 *
 * @throws {CallError} when the answer is not 200, or does not come within `timeoutMs`
 * @throws {ZodError} when the answer is not what was expected
 * @example
 * const { items } = await call('cart', '/carts/c142/empty', { method: 'POST', answer: Cart })
 */
export function call<Answer>(service: ServiceName, path: string, options: CallOptions<Answer>): Promise<Answer> {
  const { method = 'GET', body, answer, timeoutMs = 2000 } = options
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }

  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port: portOf(service, portBase), path, method, agent, headers }, (response) => {
      json(response)
        .then((received) => {
          if (response.statusCode === 200) resolve(answer.parse(received))
          else throw new CallError(response.statusCode ?? 0, `${service} answered ${response.statusCode}`)
        })
        .catch(reject)
    })
    const timer = setTimeout(() => outgoing.destroy(new CallError(0, `${service} did not answer in ${timeoutMs} ms`)), timeoutMs)
    outgoing.on('error', reject)
    outgoing.on('close', () => clearTimeout(timer))
    outgoing.end(payload)
  })
}
