import { AliasNode, RawNode, SelectQueryNode, sql, type OperationNode, type RawBuilder } from 'kysely'
import type { Frame } from './frame.ts'

/**
 * A frame without the order of its rows, for functions that sort themselves: PostgreSQL sorts a
 * nested select with an `order by` even if the order is not used. A frame whose order decides which
 * rows it has (`limit`, `distinct on`) keeps it.
 *
 * @example
 * scope.db.selectFrom(inAnyOrder(frame).as('point'))
 */
export const inAnyOrder = <Row>(frame: Frame<Row>): RawBuilder<Row> =>
  sql<Row>`${{ expressionType: undefined, toOperationNode: () => withoutOrder(frame.toOperationNode()) }}`

function withoutOrder<Node extends OperationNode>(node: Node): Node {
  // A select that is only wrapped to give it a type.
  if (RawNode.is(node) && node.parameters.length === 1 && node.sqlFragments.every((fragment) => fragment === '')) {
    return { ...node, parameters: node.parameters.map(withoutOrder) }
  }
  if (!SelectQueryNode.is(node) || node.limit || node.offset || node.fetch || node.distinctOn || node.setOperations) return node
  const { orderBy: _, ...unordered } = node
  const [from] = unordered.from?.froms ?? []
  // Our frames have this form: an outer select of everything from one ordered select.
  if (from === undefined || unordered.from!.froms.length > 1 || !AliasNode.is(from)) return unordered as Node
  return { ...unordered, from: { ...unordered.from, froms: [{ ...from, node: withoutOrder(from.node) }] } } as Node
}
