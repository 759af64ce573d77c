import { isNode, nodesOf, type Node, type NodeTree } from './nodeTree.ts'

/** A function or operator that a statement calls by its name, and with what. */
export interface Call {
  /** Which catalog names it. */
  kind: 'function' | 'operator'
  /** Whether it aggregates here, in groups or in a window: no plain function can take its place. */
  aggregates: boolean
  oid: number
  /** The type it gives. */
  result: number
  /**
   * For each argument the types it might be said to have: more than one where it is a literal or
   * parameter, whose type may have been guessed.
   */
  args: readonly (readonly number[])[]
  /** And its name, where the call says it. */
  names: readonly (string | null)[]
}

const text = 25

/**
 * The calls of an analysed statement. Casts are none, they are not looked up by name, and neither
 * is what grammar alone names (`extract`, `at time zone`).
 */
export function callsOf(tree: NodeTree): Call[] {
  return [...nodesOf(tree)].flatMap((node): Call[] => {
    const operator = (oid: NodeTree | undefined, result: NodeTree | number | undefined, args: number[][]): Call => ({
      kind: 'operator',
      aggregates: false,
      oid: Number(oid),
      result: Number(result),
      args,
      names: [],
    })
    const called = (oid: string, result: string, values: readonly NodeTree[]) => ({
      kind: 'function' as const,
      oid: Number(one(node, oid)),
      result: Number(one(node, result)),
      args: guesses(values),
      names: values.map(nameOf),
    })
    switch (bare(node.tag)) {
      case 'FUNC':
        return one(node, 'funcformat') === '0' ? [{ ...called('funcid', 'funcresulttype', list(node, 'args')), aggregates: false }] : []
      case 'WINDOWFUNC':
        return [{ ...called('winfnoid', 'wintype', list(node, 'args')), aggregates: true }]
      case 'AGGREF': {
        const args = (list(node, 'args') as Node[]).filter((target) => one(target, 'resjunk') === 'false')
        const values = [...list(node, 'aggdirectargs'), ...args.map((target) => one(target, 'expr')!)]
        return [{ ...called('aggfnoid', 'aggtype', values), aggregates: true }]
      }
      case 'OP':
        return [operator(one(node, 'opno'), one(node, 'opresulttype'), guesses(list(node, 'args')))]
      case 'DISTINCT':
      case 'NULLIF':
        return [operator(one(node, 'opno'), bool, guesses(list(node, 'args')))]
      case 'SCALARARRAYOP':
        return [operator(one(node, 'opno'), bool, guesses(list(node, 'args'), true))]
      case 'ROWCOMPARE':
        return (list(node, 'opnos').slice(1) as string[]).map((opno, index) =>
          operator(opno, bool, guesses([list(node, 'largs')[index]!, list(node, 'rargs')[index]!])),
        )
      default:
        return []
    }
  })
}

/** PostgreSQL's versions write some nodes with EXPR at the end and some without. */
const bare = (tag: string) => tag.replace(/EXPR$/, '')

/** How an argument is named in the call, if it is. */
function nameOf(arg: NodeTree): string | null {
  const name = isNode(arg) && bare(arg.tag) === 'NAMEDARG' ? one(arg, 'name') : undefined
  return typeof name === 'string' ? name : null
}

const bool = 16

/** The array whose elements are compared is marked by a negative type, which is looked up later. */
function guesses(args: readonly NodeTree[], ofElements = false): number[][] {
  const types = args.map((arg) => typeOf(uncoerced(arg)))
  if (ofElements) types[1] = -types[1]!
  return args.map((arg, index) => {
    const inner = uncoerced(arg)
    const guessed = isNode(inner) && (inner.tag === 'CONST' || inner.tag === 'PARAM') ? [text, ...types, typeOf(arg)] : []
    return [...new Set([types[index]!, ...guessed])]
  })
}

const one = (node: Node, name: string): NodeTree | undefined => node.fields[name]?.[0]

function list(node: Node, name: string): readonly NodeTree[] {
  const value = one(node, name)
  return Array.isArray(value) ? value : []
}

/** Where each node says its type. */
const typeFields: Readonly<Record<string, string>> = {
  VAR: 'vartype',
  CONST: 'consttype',
  PARAM: 'paramtype',
  FUNC: 'funcresulttype',
  AGGREF: 'aggtype',
  WINDOWFUNC: 'wintype',
  OP: 'opresulttype',
  DISTINCT: 'opresulttype',
  NULLIF: 'opresulttype',
  RELABELTYPE: 'resulttype',
  COERCEVIAIO: 'resulttype',
  ARRAYCOERCE: 'resulttype',
  COERCETODOMAIN: 'resulttype',
  CONVERTROWTYPE: 'resulttype',
  CASE: 'casetype',
  CASETEST: 'typeId',
  COALESCE: 'coalescetype',
  MINMAX: 'minmaxtype',
  ARRAY: 'array_typeid',
  ROW: 'row_typeid',
  SUBSCRIPTINGREF: 'refrestype',
  FIELDSELECT: 'resulttype',
  SQLVALUEFUNCTION: 'type',
}

const booleans = ['BOOL', 'NULLTEST', 'BOOLEANTEST', 'SCALARARRAYOP', 'ROWCOMPARE']

function typeOf(tree: NodeTree): number {
  if (!isNode(tree)) throw new Error(`no expression: ${JSON.stringify(tree)}`)
  const tag = bare(tree.tag)
  if (booleans.includes(tag)) return bool
  if (tag === 'COLLATE' || tag === 'NAMEDARG') return typeOf(one(tree, 'arg')!)
  if (tag === 'SUBLINK') return typeOfSublink(tree)
  const field = typeFields[tag]
  if (field === undefined) throw new Error(`a node whose type nobody knows: ${tree.tag} ${Object.keys(tree.fields).join(' ')}`)
  return Number(one(tree, field))
}

function typeOfSublink(sublink: Node): number {
  const kind = one(sublink, 'subLinkType')
  if (kind !== '4' && kind !== '6') return bool
  const [first] = list(one(sublink, 'subselect') as Node, 'targetList') as Node[]
  const type = typeOf(one(first!, 'expr')!)
  // Of array(select ...) the array of the type, marked as one to be looked up.
  return kind === '4' ? type : arrayOf + type
}

/** Added to a type's number where its array is meant. */
export const arrayOf = 10_000_000_000

/** An argument as it was before PostgreSQL coerced it by itself. */
function uncoerced(tree: NodeTree): NodeTree {
  if (!isNode(tree)) return tree
  const tag = bare(tree.tag)
  if (tag === 'NAMEDARG') return uncoerced(one(tree, 'arg')!)
  const format = { FUNC: 'funcformat', RELABELTYPE: 'relabelformat', COERCEVIAIO: 'coerceformat', ARRAYCOERCE: 'coerceformat' }[tag]
  if (format === undefined || one(tree, format) !== '2') return tree
  return uncoerced(tag === 'FUNC' ? list(tree, 'args')[0]! : one(tree, 'arg')!)
}
