import { isIPv6 } from 'node:net'
import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'

/** A caller outside of everything traced: the caller of a request without a parent span. */
export const externalClientUrn = 'urn:external:client'

/**
 * A caller that sent a trace context but whose own span never arrived: a browser, a mobile app, a
 * service that is not exported.
 */
export const unknownCallerUrn = 'urn:external:unknown'

/** The longest URN that is stored, in bytes of UTF-8. */
export const maxUrnBytes = 1024

/**
 * The URN of a service: `urn:k8s:svc:<namespace>/<name>`; without a namespace it is `default`.
 *
 * @example
 * serviceUrn('checkout', 'shop') // 'urn:k8s:svc:shop/checkout'
 * serviceUrn('a/b') // 'urn:k8s:svc:default/a%2Fb'
 *
 * @throws InvalidInputError if the URN would be longer than 1,024 bytes.
 */
export const serviceUrn = (name: string, namespace?: string): string => urn(`k8s:svc:${part(namespace || 'default')}/${part(name)}`)

/**
 * The URN of a host, or of an address that is called: `urn:host:<host>`, with the given port unless
 * that is 80 or 443.
 *
 * | host | written as |
 * |---|---|
 * | `DB-7.Internal.` | `db-7.internal`: in lower case, without the final dot |
 * | `api:8080`, `[::1]:8080` | with that port, unless another is given |
 * | `2001:DB8:0:0:0:0:0:1` | `[2001:db8::1]`, as in RFC 5952 |
 * | `::ffff:10.0.0.1` | `10.0.0.1` |
 * | `pg.shop.svc.cluster.local` | `pg.shop.svc` |
 * | `/run/pg.sock` | unchanged, its separators encoded: paths are case-sensitive |
 *
 * @example
 * hostUrn('DB-7.internal.', 443) // 'urn:host:db-7.internal'
 * hostUrn('::1', 8080) // 'urn:host:[::1]:8080'
 *
 * @throws InvalidInputError if the URN would be longer than 1,024 bytes.
 */
export const hostUrn = (host: string, port?: number): string => urn(`host:${authority(host, port, webPorts)}`)

/**
 * The URN of a database: `urn:db:<system>:<cluster>/<database>`.
 *
 * | part | value |
 * |---|---|
 * | system | in lower case; OpenTelemetry's `postgresql` is `postgres`; for systems that OpenTelemetry renamed (`mssql`, `oracle`, `dynamodb`) the new name (`microsoft.sql_server`) |
 * | cluster | the server's address as in {@link hostUrn}, with the port unless it is the system's default; `default` if it is not known |
 * | database | unchanged; for PostgreSQL's `<database>\|<schema>` the database; `default` if it is not known |
 *
 * @example
 * databaseUrn({ system: 'postgresql', host: 'PG.internal', port: 5432, database: 'shop' }) // 'urn:db:postgres:pg.internal/shop'
 *
 * @throws InvalidInputError if the URN would be longer than 1,024 bytes.
 */
export function databaseUrn({ system, host, port, database }: { system: string; host?: string; port?: number; database?: string }): string {
  const lower = system.toLowerCase()
  const name = systems.get(lower) ?? lower
  const cluster = host ? authority(host, port, defaultPorts.get(name) ?? []) : 'default'
  const own = name === 'postgres' ? database?.split('|', 1)[0] : database
  return urn(`db:${part(name)}:${cluster}/${part(own || 'default')}`)
}

/**
 * The URN of a queue or topic: `urn:queue:<system>/<destination>`; an unknown destination is
 * `default`.
 *
 * @example
 * queueUrn('kafka', 'orders') // 'urn:queue:kafka/orders'
 *
 * @throws InvalidInputError if the URN would be longer than 1,024 bytes.
 */
export const queueUrn = (system: string, destination?: string): string => urn(`queue:${part(system)}/${part(destination || 'default')}`)

/** Our names of systems, by their names in `db.system` and, for some, in `db.system.name`. */
const systems: ReadonlyMap<string, string> = new Map([
  ['postgresql', 'postgres'],
  ['mssql', 'microsoft.sql_server'],
  ['oracle', 'oracle.db'],
  ['cosmosdb', 'azure.cosmosdb'],
  ['dynamodb', 'aws.dynamodb'],
  ['redshift', 'aws.redshift'],
  ['spanner', 'gcp.spanner'],
  ['db2', 'ibm.db2'],
  ['informix', 'ibm.informix'],
  ['netezza', 'ibm.netezza'],
  ['hanadb', 'sap.hana'],
  ['maxdb', 'sap.maxdb'],
  ['adabas', 'softwareag.adabas'],
  ['ingres', 'actian.ingres'],
  ['firebird', 'firebirdsql'],
  ['h2', 'h2database'],
  ['intersystems_cache', 'intersystems.cache'],
])

/** The ports that a host's URN omits. */
const webPorts: readonly number[] = [80, 443]

/** The ports that a database's URN omits, by our name of its system. */
const defaultPorts: ReadonlyMap<string, readonly number[]> = new Map([
  ['postgres', [5432]],
  ['mysql', [3306]],
  ['mariadb', [3306]],
  ['microsoft.sql_server', [1433]],
  ['oracle.db', [1521]],
  ['ibm.db2', [50_000]],
  ['mongodb', [27017]],
  ['redis', [6379]],
  ['valkey', [6379]],
  ['memcached', [11211]],
  ['cassandra', [9042]],
  ['couchdb', [5984]],
  ['elasticsearch', [9200]],
  ['opensearch', [9200]],
  ['clickhouse', [8123, 9000]],
  ['cockroachdb', [26257]],
  ['neo4j', [7687]],
  ['influxdb', [8086]],
  ['kafka', [9092]],
  ['aws.dynamodb', [443]],
  ['aws.redshift', [5439]],
])

/**
 * One part of a URN. Percent-encoded are only characters that would make two different names one
 * URN, or could not be stored: the separators `/` and `:`, `%`, `?`, `#`, white space and control
 * characters (also NUL). Letters of every script stay readable. A lone surrogate becomes U+FFFD.
 */
function part(text: string): string {
  if (text.length > maxUrnBytes) throw tooLong(text)
  return text.toWellFormed().replace(/[%/:?#\s\p{Cc}]/gu, (character) => encodeURIComponent(character))
}

/** A host and its port, unless that is a default port. */
function authority(text: string, port: number | undefined, unsaid: readonly number[]): string {
  if (text.length > maxUrnBytes) throw tooLong(text)
  const { host, digits } = withoutPort(text)
  const shown = port ?? (digits === undefined ? undefined : Number(digits))
  const name = hostName(host)
  return shown === undefined || unsaid.includes(shown) ? name : `${name}:${shown}`
}

/** A host's name for display: normalised, without a port. */
export const hostLabel = (text: string): string => hostName(withoutPort(text).host)

function withoutPort(text: string): { host: string; digits: string | undefined } {
  const [, host = text, digits] = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(text) ?? []
  return { host, digits }
}

/** A host's name or address, normalised; see {@link hostUrn}. */
function hostName(text: string): string {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const [address = '', zone] = bare.split('%', 2)
  if (isIPv6(address)) return ipv6Name(address, zone)
  if (text.startsWith('/')) return part(text)
  const lower = text.toLowerCase()
  const relative = lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower
  return part(relative.endsWith('.svc.cluster.local') ? relative.slice(0, -'.cluster.local'.length) : relative)
}

/** The interface of a link-local address stays, in the form of RFC 6874. */
function ipv6Name(address: string, zone: string | undefined): string {
  const compact = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(compact)
  if (mapped === null) return zone === undefined ? `[${compact}]` : `[${compact}%25${part(zone)}]`
  const halves = mapped.slice(1).map((half) => Number.parseInt(half, 16))
  return halves.flatMap((half) => [half >> 8, half & 255]).join('.')
}

function urn(rest: string): string {
  const text = `urn:${rest}`
  if (Buffer.byteLength(text) > maxUrnBytes) throw tooLong(text)
  return text
}

/** A text that is already too long is neither matched nor encoded. */
const tooLong = (text: string) =>
  new InvalidInputError('urn', `must be at most ${maxUrnBytes} bytes long, got ${Buffer.byteLength(text)} bytes: ${preview(text)}`)
