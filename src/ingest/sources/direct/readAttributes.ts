import type { AnyValue, KeyValue } from '../../../schema/otlpValues.ts'
import { anyValue, anyValues, keyValue, keyValues } from '../protobuf/otlpMessages.ts'
import { ByteTable } from './byteTable.ts'
import { addItems, fault, type Fields } from './fields.ts'

/** As deep as `isAnyValue` allows. */
const maxDepth = 64

export function readKeyValue(fields: Fields, depth = 0): KeyValue {
  let key: string | undefined
  let value: AnyValue | undefined
  const outer = fields.enter()
  for (let name = fields.next(keyValue); name !== undefined; name = fields.next(keyValue)) {
    if (name === 'key') key = fields.knownText()
    else value = readAnyValue(fields, depth)
  }
  fields.leave(outer)
  return { key, value }
}

export function readAnyValue(fields: Fields, depth = 0): AnyValue {
  if (depth > maxDepth) throw fault
  const value: AnyValue = {}
  const outer = fields.enter()
  for (let name = fields.next(anyValue); name !== undefined; name = fields.next(anyValue)) {
    if (name === 'stringValue') value.stringValue = fields.text()
    else if (name === 'boolValue') value.boolValue = fields.boolean()
    else if (name === 'arrayValue') value.arrayValue = { values: readValues(fields, depth + 1) }
    else if (name === 'kvlistValue') value.kvlistValue = { values: readKeyValues(fields, depth + 1) }
    else if (name === 'bytesValue') value.bytesValue = fields.base64()
    else if (name === 'intValue') value.intValue = fields.written()
    else value.doubleValue = fields.written()
  }
  fields.leave(outer)
  return value
}

function readValues(fields: Fields, depth: number): AnyValue[] {
  const values: AnyValue[] = []
  const outer = fields.enter()
  while (fields.next(anyValues) !== undefined) addItems(fields, values, (item) => readAnyValue(item, depth))
  fields.leave(outer)
  return values
}

function readKeyValues(fields: Fields, depth: number): KeyValue[] {
  const values: KeyValue[] = []
  const outer = fields.enter()
  while (fields.next(keyValues) !== undefined) addItems(fields, values, (item) => readKeyValue(item, depth))
  fields.leave(outer)
  return values
}

/** No attributes. */
export const noAttributes: KeyValue[] = []
Object.freeze(noAttributes)

/** The attributes of resources and of metric points, which occur again and again. */
const knownLists = new ByteTable<KeyValue[]>(8192, 4096)

/**
 * Attributes that occur many times: the same list again for the same bytes, so that what is derived
 * of them can be found by the list. It is frozen, since others share it.
 */
export function readKnownAttributes(fields: Fields, earlier: readonly KeyValue[]): KeyValue[] {
  // In protobuf a list may be in several places.
  if (earlier.length > 0) throw fault
  const { bytes, position: from, listKind } = fields
  const guess = knownLists.guess(bytes, from, listKind)
  if (guess !== undefined && fields.isListEnd(from + guess.key.length)) {
    fields.position = from + guess.key.length
    return guess.value
  }
  const end = fields.listEnd()
  const known = knownLists.get(bytes, from, end, listKind)
  if (known !== undefined) {
    fields.position = end
    return known
  }
  const list: KeyValue[] = []
  fields.lasting = true
  addItems(fields, list, readKeyValue)
  fields.lasting = false
  if (knownLists.add(bytes, from, end, list, listKind)) freeze(list)
  return list
}

function freeze(value: unknown): void {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
}
