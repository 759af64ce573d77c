import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import { freshDatabase, imageOf, leg, type TestDatabase } from './leg.ts'

/**
 * A migrated database of a file's own that has a connection string, on the embedded leg too: there
 * PGlite listens on a free port.
 */
export async function servedDatabase(): Promise<TestDatabase & { url: string }> {
  if (leg.name === 'server') {
    const database = await freshDatabase()
    return { ...database, url: database.url! }
  }
  const { db, pglite, close } = await openEmbedded({ image: imageOf({ migrated: true }) })
  const server = new PGLiteSocketServer({ db: pglite, host: '127.0.0.1', port: 0, maxConnections: 4 })
  await server.start()
  return {
    db,
    url: `postgres://postgres@${server.getServerConn()}/postgres?sslmode=disable`,
    close: async () => {
      await server.stop()
      await close()
    },
  }
}
