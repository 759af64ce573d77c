import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'

/** One export request in OTLP's JSON encoding; exactly one of the three is present. */
export interface OtlpRequest {
  readonly resourceSpans?: readonly unknown[]
  readonly resourceMetrics?: readonly unknown[]
  readonly resourceLogs?: readonly unknown[]
}

/** How to receive. */
export interface ReceiveOtlpOptions {
  /** Port on 127.0.0.1; 0 picks a free one. Default 4318, OTLP/HTTP's own. */
  readonly port?: number
  /** Given every export request in the order of arrival; what it throws is answered with 503, so that the sender tries again. */
  readonly onRequest: (request: OtlpRequest) => void | Promise<void>
}

/** A receiver that listens. */
export interface OtlpReceiver extends AsyncDisposable {
  /** What to set `OTEL_EXPORTER_OTLP_ENDPOINT` to. */
  readonly endpoint: string
  /** Stops listening; requests under way are answered first. */
  close(): Promise<void>
}

const fields = { '/v1/traces': 'resourceSpans', '/v1/metrics': 'resourceMetrics', '/v1/logs': 'resourceLogs' } as const

/**
 * Receives OpenTelemetry data: OTLP over HTTP in its JSON encoding (plain or gzip), traces, metrics and logs.
 *
 * Protobuf is answered with 415, an unknown path with 404, malformed JSON or a body of another signal with 400.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 * @example
 * await using receiver = await receiveOtlp({ port: 0, onRequest: (request) => console.log(Object.keys(request)) })
 * process.env.OTEL_EXPORTER_OTLP_ENDPOINT = receiver.endpoint
 */
export async function receiveOtlp({ port = 4318, onRequest }: ReceiveOtlpOptions): Promise<OtlpReceiver> {
  const server = createServer((request, response) => void receive(request, response, onRequest))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    const closed = once(server, 'close')
    server.close()
    await closed
  }
  const { port: actualPort } = server.address() as AddressInfo
  return { endpoint: `http://127.0.0.1:${actualPort}`, close, [Symbol.asyncDispose]: close }
}

async function receive(request: IncomingMessage, response: ServerResponse, onRequest: ReceiveOtlpOptions['onRequest']): Promise<void> {
  const answer = (status: number, body: unknown): void => {
    // An unread body would be taken for the next request of the connection.
    request.resume()
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const path = request.url ?? ''
  if (request.method !== 'POST' || !isSignalPath(path))
    return answer(404, { message: `expected POST to ${Object.keys(fields).join(', ')}` })
  if (!request.headers['content-type']?.startsWith('application/json')) return answer(415, { message: 'expected OTLP in JSON' })

  let body: unknown
  try {
    const source = request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request
    body = await json(source)
  } catch (error) {
    return answer(400, { message: `malformed body: ${String(error)}` })
  }
  if (!isOtlpRequest(body, fields[path])) return answer(400, { message: `expected an object with ${fields[path]}` })
  try {
    await onRequest(body)
    answer(200, {})
  } catch (error) {
    answer(503, { message: String(error) })
  }
}

function isSignalPath(path: string): path is keyof typeof fields {
  return Object.hasOwn(fields, path)
}

function isOtlpRequest(body: unknown, field: keyof OtlpRequest): body is OtlpRequest {
  return typeof body === 'object' && body !== null && Array.isArray((body as OtlpRequest)[field])
}
