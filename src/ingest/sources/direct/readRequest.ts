import type { OtlpPayload } from '../../../schema/otlp.ts'
import { exportRequest, resource, scope, signals, type Signal } from '../protobuf/otlpMessages.ts'
import { addItems, fault, type Fields } from './fields.ts'
import { noAttributes, readKnownAttributes } from './readAttributes.ts'
import { readLogRecord } from './readLogRecord.ts'
import { readMetric } from './readMetric.ts'
import { readSpan } from './readSpan.ts'

type Part<List extends keyof OtlpPayload> = NonNullable<OtlpPayload[List]>[number]

/** Reads a request whose lists have their names, as in JSON. */
export function readNamedRequest(fields: Fields): OtlpPayload {
  const read: OtlpPayload = {}
  const outer = fields.enter()
  for (let field = fields.next(exportRequest); field !== undefined; field = fields.next(exportRequest)) {
    if (field === 'resourceSpans') addItems(fields, (read.resourceSpans = []), readResourceSpans)
    else if (field === 'resourceMetrics') addItems(fields, (read.resourceMetrics = []), readResourceMetrics)
    else addItems(fields, (read.resourceLogs = []), readResourceLogs)
  }
  fields.leave(outer)
  if (read.resourceSpans === undefined && read.resourceMetrics === undefined && read.resourceLogs === undefined) throw fault
  return read
}

/** Reads one resource's part of a request of a signal, and adds it. */
export function addPart(fields: Fields, signal: Signal, payload: OtlpPayload): void {
  if (signal === 'traces') (payload.resourceSpans ??= []).push(readResourceSpans(fields))
  else if (signal === 'metrics') (payload.resourceMetrics ??= []).push(readResourceMetrics(fields))
  else (payload.resourceLogs ??= []).push(readResourceLogs(fields))
}

function readResourceSpans(fields: Fields): Part<'resourceSpans'> {
  const read: Part<'resourceSpans'> = { resource: noResource, scopeSpans: [] }
  const outer = fields.enter()
  const { part } = signals.traces
  for (let field = fields.next(part); field !== undefined; field = fields.next(part)) {
    if (field === 'resource') read.resource = readResource(fields)
    else if (field === 'scopeSpans') addItems(fields, read.scopeSpans, readScopeSpans)
    else passOver(fields, field)
  }
  fields.leave(outer)
  return read
}

function readResourceMetrics(fields: Fields): Part<'resourceMetrics'> {
  const read: Part<'resourceMetrics'> = { resource: noResource, scopeMetrics: [] }
  const outer = fields.enter()
  const { part } = signals.metrics
  for (let field = fields.next(part); field !== undefined; field = fields.next(part)) {
    if (field === 'resource') read.resource = readResource(fields)
    else if (field === 'scopeMetrics') addItems(fields, read.scopeMetrics, readScopeMetrics)
    else passOver(fields, field)
  }
  fields.leave(outer)
  return read
}

function readResourceLogs(fields: Fields): Part<'resourceLogs'> {
  const read: Part<'resourceLogs'> = { resource: noResource, scopeLogs: [] }
  const outer = fields.enter()
  const { part } = signals.logs
  for (let field = fields.next(part); field !== undefined; field = fields.next(part)) {
    if (field === 'resource') read.resource = readResource(fields)
    else if (field === 'scopeLogs') addItems(fields, read.scopeLogs, readScopeLogs)
    else passOver(fields, field)
  }
  fields.leave(outer)
  return read
}

function readScopeSpans(fields: Fields): Part<'resourceSpans'>['scopeSpans'][number] {
  const read: ReturnType<typeof readScopeSpans> = { scope: undefined, spans: [] }
  const outer = fields.enter()
  const { scopePart } = signals.traces
  for (let field = fields.next(scopePart); field !== undefined; field = fields.next(scopePart)) {
    if (field === 'scope') read.scope = readScope(fields)
    else if (field === 'spans') addItems(fields, read.spans, readSpan)
    else passOver(fields, field)
  }
  fields.leave(outer)
  return read
}

function readScopeMetrics(fields: Fields): Part<'resourceMetrics'>['scopeMetrics'][number] {
  const read: ReturnType<typeof readScopeMetrics> = { scope: undefined, metrics: [] }
  const outer = fields.enter()
  const { scopePart } = signals.metrics
  for (let field = fields.next(scopePart); field !== undefined; field = fields.next(scopePart)) {
    if (field === 'scope') read.scope = readScope(fields)
    else if (field === 'metrics') addItems(fields, read.metrics, readMetric)
    else passOver(fields, field)
  }
  fields.leave(outer)
  return read
}

function readScopeLogs(fields: Fields): Part<'resourceLogs'>['scopeLogs'][number] {
  const read: ReturnType<typeof readScopeLogs> = { scope: undefined, logRecords: [] }
  const outer = fields.enter()
  const { scopePart } = signals.logs
  for (let field = fields.next(scopePart); field !== undefined; field = fields.next(scopePart)) {
    if (field === 'scope') read.scope = readScope(fields)
    else if (field === 'logRecords') addItems(fields, read.logRecords, readLogRecord)
    else passOver(fields, field)
  }
  fields.leave(outer)
  return read
}

/** A list may hold records, under an older name or in a wrong place: the document shows it. */
function passOver(fields: Fields, field: string): void {
  if (field !== 'schemaUrl') throw fault
  fields.text()
}

const noResource = Object.freeze({ attributes: noAttributes })

function readResource(fields: Fields): Part<'resourceSpans'>['resource'] {
  const read = { attributes: noAttributes }
  const outer = fields.enter()
  for (let field = fields.next(resource); field !== undefined; field = fields.next(resource)) {
    if (field === 'attributes') read.attributes = readKnownAttributes(fields, read.attributes)
    else fields.skip()
  }
  fields.leave(outer)
  return read
}

function readScope(fields: Fields): { name: string | undefined; version: string | undefined } {
  const read: ReturnType<typeof readScope> = { name: undefined, version: undefined }
  const outer = fields.enter()
  for (let field = fields.next(scope); field !== undefined; field = fields.next(scope)) {
    if (field === 'name') read.name = fields.knownText()
    else if (field === 'version') read.version = fields.knownText()
    else fields.skip()
  }
  fields.leave(outer)
  return read
}
