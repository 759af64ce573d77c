import type { MessageType } from '../../../src/ingest/sources/protobuf/otlpMessages.ts'
import { fieldsOf, wire } from '../../../src/ingest/sources/protobuf/wire.ts'

/** A field of a protobuf message; a message that is its value is a list of fields. */
export interface Node {
  number: number
  kind: number
  /** For a length: its bytes or fields. Otherwise the bytes as they are. */
  content: Buffer | Node[]
  /** More bytes than the tag and the length need. */
  longer: number
}

export function treeOf(bytes: Buffer, type: MessageType): Node[] {
  return [...fieldsOf(bytes)].map(({ number, wire: kind, from, to }) => {
    const of = type.fields.get(number)?.of
    const content = bytes.subarray(from, to)
    return { number, kind, content: kind === wire.length && typeof of === 'function' ? treeOf(content, of()) : content, longer: 0 }
  })
}

export const bytesOf = (nodes: readonly Node[]): Buffer => Buffer.concat(nodes.map(bytesOfNode))

function bytesOfNode({ number, kind, content, longer }: Node): Buffer {
  const written = Buffer.isBuffer(content) ? content : bytesOf(content)
  const tag = varint(number * 8 + kind, longer)
  return Buffer.concat(kind === wire.length ? [tag, varint(written.length, longer), written] : [tag, written])
}

export function varint(value: number, longer = 0): Buffer {
  const bytes: number[] = []
  let rest = BigInt(value)
  do {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  } while (rest > 0n)
  for (let more = 0; more < longer; more += 1) bytes.push(128)
  bytes.push(bytes.pop()! & 127)
  return Buffer.from(bytes)
}

/** All messages of a tree. */
export const messagesIn = (nodes: Node[]): Node[][] => [
  nodes,
  ...nodes.flatMap(({ content }) => (Buffer.isBuffer(content) ? [] : messagesIn(content))),
]

export const copyOf = (node: Node): Node => ({ ...node, content: Buffer.isBuffer(node.content) ? node.content : node.content.map(copyOf) })

/** A message or bytes as a field. */
export const field = (number: number, content: Node[] | Buffer): Node => ({ number, kind: wire.length, content, longer: 0 })
export const fixed64 = (number: number, content: Buffer): Node => ({ number, kind: wire.fixed64, content, longer: 0 })
