// node test/support/makeImages.ts LEG: makes the two images that the test files of a leg in process begin with, an empty database and a migrated one,
// and tells its parent where they are. In a process of its own, since the legs' take ten seconds of processor time each, and are made at once.
import { mkdir, writeFile } from 'node:fs/promises'
import { sql } from 'kysely'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import { migrateUp } from '../../src/operate/migrate/migrate.ts'
import { openCommunity } from './community.ts'
import { describeDatabase } from './describeDatabase.ts'
import { legFolder } from './legFolder.ts'

/** What it tells. */
export interface Images {
  image: string
  emptyImage: string
  /** The versions that the leg runs on. */
  description: string
}

const name = process.argv[2]
const open = name === 'embedded' ? openEmbedded : openCommunity
const [image, emptyImage] = [`${legFolder}/${name}.tar`, `${legFolder}/${name}-empty.tar`]
await mkdir(legFolder, { recursive: true })

const empty = await open()
// Clearing its 128 MB takes a third of PGlite's start. (The community build is not moved by this.)
await sql`alter system set shared_buffers = '16MB'`.execute(empty.db)
await writeFile(emptyImage, Buffer.from(await (await empty.pglite.dumpDataDir('none')).arrayBuffer()))
await empty.close()

const migrated = await open({ image: emptyImage })
await migrateUp(migrated.db)
const description = await describeDatabase(migrated.db)
await writeFile(image, Buffer.from(await (await migrated.pglite.dumpDataDir('none')).arrayBuffer()))
await migrated.close()

process.send!({ image, emptyImage, description } satisfies Images)
process.disconnect()
