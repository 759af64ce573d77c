import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'

/**
 * Whoever called a service from outside of everything traced: the caller of a request without a
 * parent span.
 */
export const externalClientUrn = 'urn:external:client'

/**
 * A caller that sent a trace context but whose own span was never received: a browser, a mobile
 * app, a service that is not exported.
 */
export const unknownCallerUrn = 'urn:external:unknown'

/** The longest URN that is stored, in bytes of UTF-8. */
export const maxUrnBytes = 1024

/**
 * The URN of a service: `urn:k8s:svc:<namespace>/<name>`; the namespace is `default` when there is
 * none.
 *
 * @example
 * serviceUrn('checkout', 'shop') // 'urn:k8s:svc:shop/checkout'
 * serviceUrn('a/b') // 'urn:k8s:svc:default/a%2Fb'
 *
 * @throws InvalidInputError when the URN would be longer than 1,024 bytes.
 */
export const serviceUrn = (name: string, namespace?: string): string => urn(`k8s:svc:${part(namespace || 'default')}/${part(name)}`)

/**
 * The URN of a host, or of an address that is called: `urn:host:<host>`, with the port when one is
 * given.
 *
 * @example
 * hostUrn('db-7.internal') // 'urn:host:db-7.internal'
 * hostUrn('::1', 8080) // 'urn:host:[::1]:8080'
 *
 * @throws InvalidInputError when the URN would be longer than 1,024 bytes.
 */
export const hostUrn = (host: string, port?: number): string => urn(`host:${authority(host, port)}`)

/**
 * The URN of a database: `urn:db:<system>:<cluster>/<database>`. The cluster is the server's
 * address, with the port when it is not the system's default one; what is not known is `default`.
 * `postgresql`, OpenTelemetry's name, is written `postgres`; of the systems that it has renamed
 * (`mssql`, `oracle`, `dynamodb`), the new name counts (`microsoft.sql_server`).
 *
 * @example
 * databaseUrn({ system: 'postgresql', host: 'pg.internal', port: 5432, database: 'shop' }) // 'urn:db:postgres:pg.internal/shop'
 *
 * @throws InvalidInputError when the URN would be longer than 1,024 bytes.
 */
export function databaseUrn({ system, host, port, database }: { system: string; host?: string; port?: number; database?: string }): string {
  const name = systems.get(system) ?? system
  const cluster = host ? authority(host, port === defaultPorts[name] ? undefined : port) : 'default'
  return urn(`db:${part(name)}:${cluster}/${part(database || 'default')}`)
}

/**
 * The URN of a queue or topic: `urn:queue:<system>/<destination>`; a destination that is not known
 * is `default`.
 *
 * @example
 * queueUrn('kafka', 'orders') // 'urn:queue:kafka/orders'
 *
 * @throws InvalidInputError when the URN would be longer than 1,024 bytes.
 */
export const queueUrn = (system: string, destination?: string): string => urn(`queue:${part(system)}/${part(destination || 'default')}`)

/**
 * What a system is called here, by what it is called in `db.system` and, for some, in
 * `db.system.name`.
 */
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

const defaultPorts: Readonly<Record<string, number>> = {
  postgres: 5432,
  mysql: 3306,
  mariadb: 3306,
  'microsoft.sql_server': 1433,
  'oracle.db': 1521,
  mongodb: 27017,
  redis: 6379,
  memcached: 11211,
  cassandra: 9042,
  elasticsearch: 9200,
  clickhouse: 8123,
  cockroachdb: 26257,
}

/**
 * One part of a URN. Only what would make two different names one URN, or could not be stored, is
 * percent-encoded: the separators `/` and `:`, `%`, `?`, `#`, white space and control characters
 * (NUL too). Letters of every script stay readable. A lone surrogate becomes U+FFFD.
 */
function part(text: string): string {
  if (text.length > maxUrnBytes) throw tooLong(text)
  return text.toWellFormed().replace(/[%/:?#\s\p{Cc}]/gu, (character) => encodeURIComponent(character))
}

function authority(host: string, port?: number): string {
  if (host.length > maxUrnBytes) throw tooLong(host)
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  const name = bare.split(':').length > 2 && /^[0-9a-f:.]+$/i.test(bare) ? `[${bare.toLowerCase()}]` : part(host)
  return port === undefined ? name : `${name}:${port}`
}

function urn(rest: string): string {
  const text = `urn:${rest}`
  if (Buffer.byteLength(text) > maxUrnBytes) throw tooLong(text)
  return text
}

/** What is too long already in the characters given is neither matched nor encoded. */
const tooLong = (text: string) =>
  new InvalidInputError('urn', `must be at most ${maxUrnBytes} bytes long, got ${Buffer.byteLength(text)} bytes: ${preview(text)}`)
