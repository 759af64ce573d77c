/**
 * What PostgreSQL makes of a statement, as `pg_node_tree` writes it: nodes with named fields,
 * lists, and single words.
 */
export type NodeTree = Node | readonly NodeTree[] | string

export interface Node {
  readonly tag: string
  /** What stands after each name: one value as a rule, several for a constant's bytes. */
  readonly fields: Readonly<Record<string, readonly NodeTree[]>>
}

export const isNode = (tree: NodeTree | undefined): tree is Node => typeof tree === 'object' && !Array.isArray(tree)

/** Reads `{TAG :name value ...}` and `(item ...)`. */
export function parseNodeTree(text: string): NodeTree {
  // A backslash takes the next character's meaning away, a blank's too.
  const tokens = text.match(/[(){}]|(?:\\.|[^\s(){}\\])+/gs) ?? []
  let at = 0
  const value = (): NodeTree => {
    const token = tokens[at++]!
    if (token === '(') {
      const items: NodeTree[] = []
      while (tokens[at] !== ')') items.push(value())
      at += 1
      return items
    }
    if (token !== '{') return token
    const tag = tokens[at++]!
    const fields: Record<string, NodeTree[]> = {}
    while (tokens[at] !== '}') {
      const values = (fields[tokens[at++]!.slice(1)] = [] as NodeTree[])
      while (tokens[at] !== '}' && !tokens[at]!.startsWith(':')) values.push(value())
    }
    at += 1
    return { tag, fields }
  }
  return value()
}

/** Every node of a tree, outer before inner. */
export function* nodesOf(tree: NodeTree): Generator<Node> {
  if (typeof tree === 'string') return
  if (!isNode(tree)) {
    for (const item of tree) yield* nodesOf(item)
    return
  }
  yield tree
  for (const values of Object.values(tree.fields)) for (const each of values) yield* nodesOf(each)
}
