import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { context, trace } from '@opentelemetry/api'
import { getRPCMetadata } from '@opentelemetry/core'
import { ZodError, prettifyError } from 'zod'
import { portOf } from '../topology.ts'
import { onStop, reportReady } from './control.ts'
import { host, portBase, serviceName } from './environment.ts'
import { log } from './log.ts'
import { withVisitor } from './visitor.ts'

/** The names in a route: `'sku'` for `'GET /products/:sku'`. */
export type ParamsOf<Route extends string> = Route extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamsOf<Rest>
  : Route extends `${string}:${infer Name}`
    ? Name
    : never

/** A request that matched a route. */
export interface RouteRequest<Route extends string> {
  readonly params: Readonly<Record<ParamsOf<Route>, string>>
  /** The parsed JSON body, `undefined` without one. */
  readonly body: unknown
}

/** Resolves to the JSON to send with status 200, or throws an `HttpError`. */
export type Handler<Route extends string> = (request: RouteRequest<Route>) => Promise<unknown>

/** An answer other than 200: thrown by handlers, sent as `{ "error": message }`. */
export class HttpError extends Error {
  override readonly name: string = 'HttpError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * Serves JSON over HTTP on this service's port, and reports ready.
 *
 * A body that a handler's zod schema refuses is answered with 400. What makes an answer a 5xx is recorded as an exception.
 *
 * With `fromOutside` the request's own headers say who the visitor is; any other service learns it from its caller.
 *
 * @example
 * await serve({ 'GET /stock/:sku': async ({ params: { sku } }) => stockOf(sku) })
 */
export async function serve<Route extends string>(
  handlers: { readonly [R in Route]: Handler<R> },
  { fromOutside = false } = {},
): Promise<void> {
  const routes = Object.entries<Handler<string>>(handlers).map(([route, handler]) => {
    const [method = '', path = ''] = route.split(' ')
    return { method, path, handler }
  })
  const server = createServer((request, response) => {
    for (const { method, path, handler } of routes) {
      const params = request.method === method ? matchPath(path, request.url ?? '') : undefined
      if (params === undefined) continue
      nameRoute(path)
      const visited = fromOutside ? withVisitor(request) : context.active()
      void context.with(visited, answer, undefined, handler, params, request).then(({ status, body }) => send(response, status, body))
      return
    }
    send(response, 404, { error: 'no such route' })
  })
  // Longer than any pause between two requests: a connection closed by the server just as a caller takes it up again looks like a fault.
  server.keepAliveTimeout = 5 * 60_000
  await new Promise<void>((resolve) => server.listen(portOf(serviceName(), portBase), host, resolve))
  onStop(async () => {
    server.close()
    server.closeAllConnections()
  })
  reportReady()
}

async function answer(
  handler: Handler<string>,
  params: Record<string, string>,
  request: IncomingMessage,
): Promise<{ status: number; body: unknown }> {
  try {
    const hasBody = Number(request.headers['content-length'] ?? 0) > 0
    return { status: 200, body: await handler({ params, body: hasBody ? await json(request) : undefined }) }
  } catch (error) {
    if (error instanceof HttpError) {
      if (error.status >= 500) trace.getActiveSpan()?.recordException(error)
      return { status: error.status, body: { error: error.message } }
    }
    if (error instanceof ZodError) return { status: 400, body: { error: prettifyError(error) } }
    trace.getActiveSpan()?.recordException(error instanceof Error ? error : String(error))
    log.error({ err: error }, `unexpected: ${String(error)}`)
    return { status: 500, body: { error: 'internal error' } }
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** The `:names` of `pattern` as `path` spells them, or `undefined` where it does not match. */
function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const expected = pattern.split('/')
  const actual = path.split('/')
  if (expected.length !== actual.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of expected.entries()) {
    const value = actual[index] ?? ''
    if (segment.startsWith(':')) params[segment.slice(1)] = decodeURIComponent(value)
    else if (segment !== value) return undefined
  }
  return params
}

/** Tells the HTTP instrumentation the route, as web frameworks do: it becomes `http.route` on the span and its metrics. */
function nameRoute(route: string): void {
  const metadata = getRPCMetadata(context.active())
  if (metadata) metadata.route = route
}
