import fc from 'fast-check'
import { AgtypeEdge, AgtypeNumeric, AgtypePath, AgtypeVertex, type Agtype, type AgtypeMap } from '../../src/graph/cypher/agtype.ts'

/**
 * Any value of agtype: integers around every limit, floats, numerics, strings with whatever must be escaped, nested lists and maps.
 *
 * @param options `entities`: whether vertices, edges and paths are among what lists and maps hold. `keys`: what the keys of maps are.
 */
export const anyAgtype = ({ entities = true, keys = text } = {}): fc.Arbitrary<Agtype> => values(entities, keys).value

/** Keys that JSON does not escape: of two that are escaped, V8's JSON.parse can mistake the one for the other (Node.js 24.21). */
export const plainKeys = fc.constantFrom('', 'a', 'b c', '::vertex', 'Infinity', 'id', 'label', 'properties', '1234567890123456', '🦊')

/** A vertex, an edge or a path, with none in its properties. */
export function anyEntity(): fc.Arbitrary<Agtype> {
  const { vertex, edge, path } = values(false, plainKeys)
  return fc.oneof(vertex, edge, path)
}

function values(entities: boolean, keys: fc.Arbitrary<string>) {
  return fc.letrec<{ value: Agtype; map: AgtypeMap; vertex: AgtypeVertex; edge: AgtypeEdge; path: AgtypePath }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scalar,
      fc.array(tie('value'), { maxLength: 4 }),
      tie('map'),
      ...(entities ? [tie('vertex'), tie('edge'), tie('path')] : []),
    ),
    map: fc.dictionary(keys, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    vertex: fc.record({ id, label, properties: tie('map') }, { noNullPrototype: true }).map((vertex) => new AgtypeVertex(vertex)),
    edge: fc
      .record({ id, label, start_id: id, end_id: id, properties: tie('map') }, { noNullPrototype: true })
      .map((edge) => new AgtypeEdge(edge)),
    path: fc.array(fc.tuple(tie('edge'), tie('vertex')), { maxLength: 2, depthIdentifier: 'path' }).chain((steps) =>
      tie('vertex').map(
        (first) =>
          new AgtypePath(
            [first, ...steps.map(([, vertex]) => vertex)],
            steps.map(([edge]) => edge),
          ),
      ),
    ),
  }))
}

/** What agtype can hold in a string: no NUL, no lone surrogate. */
const text = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('__proto__', '::vertex', 'Infinity', '"', '\\', '\\"', '\u001f', '\u007f', '$1', '🦊', '1234567890123456'),
  )
  .map((text) => text.replaceAll('\u0000', '').toWellFormed())

/** A bigint only where a number could not hold it: that is how integers come back. */
const integer = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value))

const scalar: fc.Arbitrary<Agtype> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  integer,
  fc.maxSafeInteger(),
  fc.double(),
  fc
    .tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.stringMatching(/^(?:\.[0-9]{1,20})?$/))
    .map(([whole, rest]) => new AgtypeNumeric(`${whole}${rest}`)),
  text,
)

const id = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String)
const label = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,10}$/)
