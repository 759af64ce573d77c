import { z } from 'zod'
import { capabilities, type Capabilities } from '../../database/capabilities.ts'
import type { Check, Examined, Finding } from '../../database/checks/check.ts'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { schemaVersion, type Installation } from '../../database/installation/installation.ts'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { parseOptions } from '../../schema/parse.ts'
import { rightsFindings, roleStates, type RoleState } from '../rights/roleStates.ts'
import { driftFinding } from './driftFinding.ts'
import { locate } from './locate.ts'
import { roomStates, type RoomState } from './roomStates.ts'
import { runChecks } from './runChecks.ts'
import { driftOf, type Drift } from './schemaDrift.ts'
import { serverChecks, upkeepChecks } from './standardChecks.ts'

export interface DoctorOptions {
  /** Only needed if the database has several installations. */
  schema?: string
  /** Checks of your own. */
  checks?: readonly Check[]
}

const check = z.custom<Check>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'find' in value &&
    typeof value.find === 'function',
  'must be a check { name, find }',
)

const doctorOptions = schemaOption.extend({ checks: z.array(check).optional() })

export interface DoctorReport {
  /** The current role. */
  role: string
  server: Pick<Capabilities, 'version' | 'versionNumber' | 'embedded' | 'superuser'>
  extensions: Capabilities['extensions']
  /** The edition of an installed TimescaleDB. */
  timescaleLicence: Capabilities['timescaleLicence']
  /** The options of the installation; null if nothing is installed. */
  installation: Installation | null
  /** The version of the database's schema; 0 if nothing is installed. */
  version: number
  libraryVersion: number
  /** What each part of the library can do here. */
  rooms: RoomState[]
  /**
   * The roles that the current role can act as, and what it lacks for the others; empty if nothing
   * is installed.
   */
  roles: RoleState[]
  drift: Drift[]
  /** Errors first. */
  findings: Finding[]
}

/**
 * Says what this server and database can do, what is wrong with them, and what to do about each
 * finding.
 *
 * Reads only: each check runs in a read-only transaction, or behind a savepoint of the caller's. A
 * check that fails becomes a finding (`check-failed`), and the others still run.
 *
 * @param options `schema` is only needed if the database has several installations. `checks` run
 * after those of the library.
 * @example
 * const { findings } = await doctor(db)
 * const broken = findings.filter(({ severity }) => severity === 'error')
 */
export async function doctor(db: AnyKysely, options: DoctorOptions = {}): Promise<DoctorReport> {
  const { schema, checks = [] } = parseOptions(doctorOptions, options)
  const plain = plainKysely(db)
  const server = await capabilities(plain)
  const { located, findings: unreadable } = await locate(plain, schema)
  const { version = 0, ...found } = located ?? {}
  const installation = located === undefined ? null : (found as Installation)
  let drift: Drift[] = []
  let roles: RoleState[] = []
  // Two checks whose results are also fields of the report.
  const reported: Check[] = [
    {
      name: 'schema',
      async find(examined) {
        drift = await driftFound(examined)
        return drift.map(driftFinding)
      },
    },
    {
      name: 'rights',
      async find(examined) {
        if (examined.installation === null) return []
        roles = await roleStates(examined.db, examined.installation)
        return rightsFindings(roles)
      },
    },
  ]
  const findings = await runChecks([...serverChecks, schemaVersionCheck, ...reported, ...upkeepChecks, ...checks], {
    db: plain,
    server,
    installation,
    version,
  })
  return {
    role: server.role,
    server: { version: server.version, versionNumber: server.versionNumber, embedded: server.embedded, superuser: server.superuser },
    extensions: server.extensions,
    timescaleLicence: server.timescaleLicence,
    installation,
    version,
    libraryVersion: schemaVersion,
    rooms: roomStates(
      server,
      installation,
      unreadable.some(({ code }) => code === 'unreadable'),
    ),
    roles,
    drift,
    findings: inOrder([...unreadable, ...findings]),
  }
}

const schemaVersionCheck: Check = {
  name: 'version of the schema',
  find: ({ installation, version }) =>
    installation === null || version === schemaVersion
      ? []
      : [
          {
            severity: 'error',
            code: 'schema-version',
            message: `the database's schema is at version ${version}, this library works with ${schemaVersion}`,
            remedy: version > schemaVersion ? 'upgrade the pgvantage package' : 'run `pgvantage migrate up`',
            ...(version > schemaVersion ? {} : { needs: 'owner' as const }),
          },
        ],
}

/** Compared with the tables of another version, everything would differ. */
const driftFound = async ({ db, installation, version }: Examined): Promise<Drift[]> =>
  installation === null || version !== schemaVersion ? [] : driftOf(db, installation)

const weight = { error: 0, warning: 1, info: 2 }
const inOrder = (findings: readonly Finding[]) => findings.toSorted((a, b) => weight[a.severity] - weight[b.severity])
