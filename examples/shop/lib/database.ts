import pg from 'pg'
import { portOf } from '../topology.ts'
import { onStop } from './control.ts'
import { host, portBase } from './environment.ts'

/** The shop's database, through the ordinary `pg` client. */
export const database = new pg.Pool({ host, port: portOf('database', portBase), user: 'shop', database: 'shop', max: 2 })

onStop(() => database.end())
