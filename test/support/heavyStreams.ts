import fc from 'fast-check'
import { HeavyHitters } from '../../src/sketch/heavyHitters/heavyHitters.ts'

/** Items with what may go wrong in an object, in JSON or in a sort; few enough that they are met again. */
const items = [
  '',
  '0',
  '1',
  '2',
  '10',
  'a',
  'b',
  'ab',
  'ä',
  'ﬀ',
  '😀',
  '__proto__',
  'constructor',
  '"',
  '\\',
  '\n',
  '\u0001',
  '\u007f',
  '\u2028',
  "'",
  '{}',
]

export type Stream = readonly (readonly [item: string, weight: number])[]

/** A stream of weighted items, in which some are heavier than others. */
export const stream: fc.Arbitrary<Stream> = fc.array(
  fc.tuple(
    fc.oneof(
      fc.constantFrom(...items),
      fc.constantFrom('a', '10', ''),
      fc.integer({ min: 0, max: 60 }).map((id) => `item ${id}`),
    ),
    fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 1e12 })),
  ),
  { maxLength: 120 },
)

export const streams = fc.array(stream, { minLength: 1, maxLength: 8 })

export function sketchOf(given: Stream, capacity: number): HeavyHitters {
  const sketch = HeavyHitters.create({ capacity })
  for (const [item, weight] of given) sketch.add(item, weight)
  return sketch
}

export function exactCounts(given: Stream): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [item, weight] of given) counts.set(item, (counts.get(item) ?? 0) + weight)
  return counts
}
