import { isObject, listOf } from './json.ts'

/**
 * What the fields of a resource's and a scope's part were called before 2022, by what they are
 * called.
 */
const olderNames: Readonly<Record<string, string>> = {
  instrumentationLibrarySpans: 'scopeSpans',
  instrumentationLibraryMetrics: 'scopeMetrics',
  instrumentationLibraryLogs: 'scopeLogs',
  instrumentationLibrary: 'scope',
  logs: 'logRecords',
}

/**
 * Gives the fields of an export request the names they have in OTLP/JSON today.
 *
 * | written | by |
 * |---|---|
 * | `instrumentationLibrarySpans`, `instrumentationLibrary`, `logs` | producers of OTLP before 0.19 |
 * | `resource_spans`, `time_unix_nano` | producers that write the names of the `.proto` files |
 *
 * @param document what `JSON.parse` gave; it is changed where it lies.
 * @param snakeCase whether names of the `.proto` files may be in it.
 */
export function todaysNames(document: unknown, snakeCase: boolean): unknown {
  const request = snakeCase ? camelCase(document) : document
  if (!isObject(request)) return request
  for (const part of ['resourceSpans', 'resourceMetrics', 'resourceLogs'].flatMap((name) => listOf(request[name]))) {
    rename(part)
    for (const scoped of isObject(part) ? Object.values(part).flatMap(listOf) : []) rename(scoped)
  }
  return request
}

function rename(part: unknown): void {
  if (!isObject(part)) return
  for (const [older, name] of Object.entries(olderNames)) {
    if (part[older] === undefined || (part[name] != null && (listOf(part[name]).length > 0 || name === 'scope'))) continue
    part[name] = part[older]
    delete part[older]
  }
}

/** Names of fields are the only keys there are: those of attributes are values. */
function camelCase(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(camelCase)
  if (!isObject(node)) return node
  return Object.fromEntries(
    Object.entries(node).map(([name, value]) => [
      name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      camelCase(value),
    ]),
  )
}
