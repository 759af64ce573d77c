import { isObject, listOf } from './json.ts'

/** The names of fields before 2022, and their current names. */
const olderNames: Readonly<Record<string, string>> = {
  instrumentationLibrarySpans: 'scopeSpans',
  instrumentationLibraryMetrics: 'scopeMetrics',
  instrumentationLibraryLogs: 'scopeLogs',
  instrumentationLibrary: 'scope',
  logs: 'logRecords',
}

/**
 * Renames the fields of an export request to the current names of OTLP/JSON.
 *
 * | written | by |
 * |---|---|
 * | `instrumentationLibrarySpans`, `instrumentationLibrary`, `logs` | producers of OTLP before 0.19 |
 * | `resource_spans`, `time_unix_nano` | producers that write the names of the `.proto` files |
 *
 * @param document the result of `JSON.parse`; it is changed in place.
 * @param snakeCase whether it may contain names of the `.proto` files.
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

/** All keys are names of fields: the keys of attributes are values. */
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
