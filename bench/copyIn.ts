import type { Client } from 'pg'

/** What `pg` asks of an object that is given to `client.query`, as far as a COPY needs it. */
interface Connection {
  query(text: string): void
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

/** Runs `copy ... from stdin` with bytes that are ready. */
export function copyIn(client: Client, statement: string, bytes: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  client.query({
    submit: (connection: unknown) => (connection as Connection).query(statement),
    handleCopyInResponse(connection: Connection) {
      for (let at = 0; at < bytes.length; at += pieceLength) connection.sendCopyFromChunk(bytes.subarray(at, at + pieceLength))
      connection.endCopyFrom()
    },
    handleCommandComplete() {},
    handleReadyForQuery: () => resolve(),
    handleError: reject,
  } as Parameters<Client['query']>[0] & object)
  return promise
}

const pieceLength = 64 * 1024

/** A line of PostgreSQL's text format. */
export const copyLine = (values: readonly (string | number | Date | null)[]): string => `${values.map(copyText).join('\t')}\n`

function copyText(value: string | number | Date | null): string {
  if (value === null) return '\\N'
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'number') return String(value)
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')
}
