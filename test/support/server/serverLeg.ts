/** A PostgreSQL server that tests may do anything with. */
export interface RunningServer {
  available: true
  /** Connection string of a superuser, naming an existing database. Tests make databases of their own. */
  url: string
  /** How it was had and what it is, for the closing table: `chroot: PostgreSQL 17.11, timescaledb 2.19.3, age 1.5.0, ...`. */
  description: string
  /** Ends the server and removes its data; a server that was only given stays as it is. */
  stop(): Promise<void>
}

/** Why there is no server, in one sentence for whoever reads the closing table. */
export interface UnavailableServer {
  available: false
  reason: string
}

/** What a way of having a server came to. */
export type ServerLeg = RunningServer | UnavailableServer
