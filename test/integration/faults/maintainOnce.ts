/** `node maintainOnce.ts URL NOW`: one run of maintain, in a process that a test can kill; a line for each unit. */
import { connect } from '../../../src/database/connection/connect.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'

const [, , url, now] = process.argv
const db = connect(url)
await maintain(db, { now: new Date(now!), onStep: ({ kind, object }) => console.log(kind, object) })
await db.destroy()
