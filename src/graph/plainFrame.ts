import { AliasNode, IdentifierNode, RawNode, SelectQueryNode, TableNode, type OperationNode } from 'kysely'
import type { EdgeFrame } from './edgeFrame.ts'

/**
 * Whether a frame is a plain filter over one table. A walk can then ask for the edges of one vertex
 * at a time, by the table's index.
 *
 * Any other frame (one that groups, joins, limits, or reads a function) would be computed again for
 * each question, so it is computed once as a whole. Whether the table has an index cannot be seen
 * here; without one every level of a walk reads the whole table. A view counts as a table.
 */
export const isPlainFrame = (frame: EdgeFrame): boolean => isPlain(frame.toOperationNode())

/**
 * Nothing, a dot, or names with dots between them, quoted or not. A doubled quote ends one part and
 * begins the next. Such text calls no function.
 */
const partOfName = /^(?:"[^"]*"|[\w$.])*$/

/** The parts of a plain select. A walk ignores its order. */
const plainParts = new Set(['kind', 'from', 'selections', 'where', 'orderBy'])

function isPlain(node: OperationNode): boolean {
  if (TableNode.is(node) || IdentifierNode.is(node)) return true
  if (AliasNode.is(node)) return isPlain(node.node)
  // A name in SQL text or built from its parts, or a select that was wrapped only for its type.
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
 * Whether a node uses only its own row, unlike aggregates and windows. An aggregate in raw SQL
 * looks like any function: such a frame counts as plain, and the answer is right but slower.
 */
function isOfOneRow(node: OperationNode): boolean {
  if (AliasNode.is(node)) return isOfOneRow(node.node)
  if (RawNode.is(node))
    return !node.sqlFragments.some((text) => /\b(over|select|within)\b/i.test(text)) && node.parameters.every(isOfOneRow)
  return node.kind !== 'AggregateFunctionNode' && node.kind !== 'OverNode' && node.kind !== 'SelectQueryNode'
}
