// node test/support/server/run.ts: starts the server of the tests, prints its URL and keeps it until Ctrl-C.
import { startServer } from './startServer.ts'

const server = await startServer()
if (server.available) {
  console.log(`# ${server.description}`)
  console.log(`DATABASE_URL=${server.url}`)
  await new Promise<void>((resolve) => {
    const ticking = setInterval(() => {}, 60_000)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        clearInterval(ticking)
        resolve()
      })
    }
  })
  await server.stop()
} else {
  console.error(server.reason)
  process.exitCode = 1
}
