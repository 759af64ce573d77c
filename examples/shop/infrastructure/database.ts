/** The shop's database: PGlite in memory, spoken to over PostgreSQL's wire protocol, so that nobody has to install one. */
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { onStop, reportReady } from '../lib/control.ts'
import { host, portBase } from '../lib/environment.ts'
import { portOf } from '../topology.ts'

const db = await PGlite.create()
await db.exec(`
  CREATE TABLE stock (sku text PRIMARY KEY, quantity int NOT NULL, price_cents int NOT NULL);
  CREATE TABLE payments (order_id text, customer text, total_cents int, authorised boolean, at timestamptz DEFAULT now());
  CREATE TABLE shipments (order_id text, customer text, positions int, at timestamptz DEFAULT now());
  INSERT INTO stock SELECT 'sku-' || to_char(n, 'FM0000'), 8 + n % 12, 500 + (n * 137) % 9000 FROM generate_series(1, 240) AS n;
`)

const server = new PGLiteSocketServer({ db, host, port: portOf('database', portBase), maxConnections: 16 })
await server.start()
onStop(() => server.stop())
reportReady()
