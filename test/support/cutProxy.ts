import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

/**
 * A way to the server that can be cut, and closed for a while, as when the server is started again.
 */
export interface CutProxy {
  /** The server's URL, by way of here. */
  url: string
  /** Ends all connections: what was sent may have arrived or not, and its answers are lost. */
  cut(): void
  /** Refuses connections from now on, and ends all. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

export async function cutProxy(target: string): Promise<CutProxy> {
  const url = new URL(target)
  const pairs = new Set<readonly [Socket, Socket]>()
  const listen = async (port: number): Promise<Server> => {
    const server = createServer((client) => {
      const upstream = createConnection({ host: url.hostname, port: Number(url.port || 5432) })
      const pair = [client, upstream] as const
      pairs.add(pair)
      for (const [socket, other] of [pair, pair.toReversed() as [Socket, Socket]]) {
        socket.on('error', () => {})
        socket.on('close', () => {
          pairs.delete(pair)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  let server: Server | undefined = await listen(0)
  const { port } = server.address() as AddressInfo
  const own = new URL(target)
  own.host = `127.0.0.1:${port}`
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy()
  }
  const down = async () => {
    const closing = server
    server = undefined
    const closed = closing === undefined ? undefined : once(closing, 'close')
    closing?.close()
    cut()
    await closed
  }
  return {
    url: own.href,
    cut,
    down,
    up: async () => {
      server ??= await listen(port)
    },
    close: down,
  }
}
