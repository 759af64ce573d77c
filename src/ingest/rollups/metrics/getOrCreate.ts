/** The value of a key; where there is none, a new one, which the map keeps. */
export function getOrCreate<T>(map: Map<string, T>, key: string, create: () => T): T {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = create()))
  return value
}
