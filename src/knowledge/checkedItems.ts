import type { z } from 'zod'
import { InvalidInputError } from '../schema/errors.ts'
import { parse, preview } from '../schema/parse.ts'
import { untilAborted } from './embedding/waiting.ts'

/**
 * Checks items and yields them one by one. An array is checked as a whole before its first item is
 * yielded; with any other iterable, each item is checked when it arrives.
 *
 * @param name the items' name in errors: `documents` makes `documents[3].title`.
 * @param check compares an item with the ones before it.
 * @throws InvalidInputError naming the item and the field.
 */
export async function* checkedItems<Schema extends z.ZodType>(
  items: Iterable<unknown> | AsyncIterable<unknown>,
  {
    schema,
    name,
    signal,
    check,
  }: { schema: Schema; name: string; signal: AbortSignal | undefined; check?: (item: z.output<Schema>, at: number) => void },
): AsyncGenerator<z.output<Schema>> {
  if (Array.isArray(items)) {
    const all = parse(schema.array(), items, name)
    if (check !== undefined) for (const [at, item] of all.entries()) check(item, at)
    yield* all
    return
  }
  let at = 0
  for await (const given of untilAborted(items, signal)) {
    const item = parse(schema, given, `${name}[${at}]`)
    check?.(item, at)
    yield item
    at += 1
  }
}

/** Refuses a value that is not iterable. A string is iterable, but is refused too. */
export function assertItems(items: unknown, name: string): void {
  const given = typeof items === 'object' && items !== null ? items : {}
  if (!(Symbol.iterator in given) && !(Symbol.asyncIterator in given))
    throw new InvalidInputError(name, `must be an array or another iterable; put a single one into an array, got ${preview(items)}`)
}
