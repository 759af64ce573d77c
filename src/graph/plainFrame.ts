import { AliasNode, IdentifierNode, RawNode, SelectQueryNode, TableNode, type OperationNode } from 'kysely'
import type { EdgeFrame } from './edgeFrame.ts'

/**
 * Whether a frame is a plain filter over one table: a walk can then ask it for the edges of one
 * vertex at a time, and the table's index answers.
 *
 * Any other frame (one that groups, joins, limits, or reads a function) would be computed again for
 * each question, so it is computed once, as a whole. Whether the table has such an index cannot be
 * seen here; without one every level of a walk reads the whole table. A view counts as the table it
 * is named like.
 */
export const isPlainFrame = (frame: EdgeFrame): boolean => isPlain(frame.toOperationNode())

/**
 * Nothing, a dot, or names with dots between them, quoted or not (a doubled quote is the end of one
 * part and the begin of the next): no function is called in it.
 */
const partOfName = /^(?:"[^"]*"|[\w$.])*$/

/** What a plain select may consist of. Its order means nothing to a walk. */
const plainParts = new Set(['kind', 'from', 'selections', 'where', 'orderBy'])

function isPlain(node: OperationNode): boolean {
  if (TableNode.is(node) || IdentifierNode.is(node)) return true
  if (AliasNode.is(node)) return isPlain(node.node)
  // A name, written as SQL or put together from its parts, or a select that was only wrapped to be
  // typed.
  if (RawNode.is(node)) return node.sqlFragments.every((text) => partOfName.test(text)) && node.parameters.every(isPlain)
  if (!SelectQueryNode.is(node)) return false
  const parts = Object.entries(node).flatMap(([part, value]) => (value === undefined ? [] : [part]))
  const froms = node.from?.froms ?? []
  return (
    parts.every((part) => plainParts.has(part)) &&
    froms.length === 1 &&
    isPlain(froms[0]!) &&
    (node.selections ?? []).every(({ selection }) => isOfOneRow(selection))
  )
}

/**
 * Nothing that looks at other rows than its own, as aggregates and windows do. An aggregate that
 * somebody wrote as SQL looks like any function: such a frame is taken for plain, and answered as
 * rightly, but slower.
 */
function isOfOneRow(node: OperationNode): boolean {
  if (AliasNode.is(node)) return isOfOneRow(node.node)
  if (RawNode.is(node))
    return !node.sqlFragments.some((text) => /\b(over|select|within)\b/i.test(text)) && node.parameters.every(isOfOneRow)
  return node.kind !== 'AggregateFunctionNode' && node.kind !== 'OverNode' && node.kind !== 'SelectQueryNode'
}
