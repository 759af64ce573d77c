import { z } from 'zod'
import { storableText } from '../schema/text.ts'
import { canonicalKey } from './canonicalKey.ts'

/** The subject of a piece of evidence. */
export const evidenceDimensions = ['metric', 'log', 'trace', 'topo', 'kb', 'call'] as const
export type EvidenceDimension = (typeof evidenceDimensions)[number]

/**
 * The tables that a piece of evidence may point to, with the columns that name their rows. The
 * tenant's id is not among them: it is the event's.
 */
export const evidenceKeys = {
  dim_resource: ['resource_id'],
  metric_1m: ['resource_id', 'metric', 'series_id', 'bucket'],
  service_call_5m: ['src_resource_id', 'dst_resource_id', 'bucket'],
  log_pattern: ['fingerprint_id'],
  log_pattern_5m: ['resource_id', 'fingerprint_id', 'bucket'],
  topo_edge_time: ['src_resource_id', 'dst_resource_id', 'relation', 'source', 'valid'],
  kb_doc: ['doc_id'],
  kb_chunk: ['chunk_id'],
  event_envelope: ['event_id'],
} as const
export type EvidenceTable = keyof typeof evidenceKeys

/**
 * Rows of one of pgvantage's tables, named by some or all of the columns that identify them. Fewer
 * columns mean more rows.
 *
 * Values are stored in one canonical form, so that equal references are equal text: an `int8` as
 * text without leading zeros, a UUID in lower case with hyphens, a time as ISO 8601 in UTC (from a
 * `Date`, or from text with its zone), the `valid` of an edge as a range of two such times.
 *
 * @example
 * const reference: EvidenceReference = { table: 'service_call_5m', keys: { src_resource_id: '7', dst_resource_id: '9', bucket: new Date() } }
 */
export type EvidenceReference = {
  [Table in EvidenceTable]: { table: Table; keys: { [Column in (typeof evidenceKeys)[Table][number]]?: string | Date } }
}[EvidenceTable]

export interface EvidenceInput {
  dim: EvidenceDimension
  /** Rows in this database. They need not exist: retention may drop them long before the event. */
  refPg?: EvidenceReference
  /** The id of the locator of the raw records. */
  refOo?: string
  /** What it shows, for people to read; at most 10,000 bytes. */
  note?: string
}

type KeyColumn = (typeof evidenceKeys)[EvidenceTable][number]

/** A column has the same type in every table. */
const keyTypes = {
  resource_id: 'int8',
  src_resource_id: 'int8',
  dst_resource_id: 'int8',
  fingerprint_id: 'int8',
  doc_id: 'int8',
  chunk_id: 'int8',
  series_id: 'int8',
  event_id: 'uuid',
  bucket: 'timestamptz',
  valid: 'tstzrange',
  metric: 'text',
  relation: 'text',
  source: 'text',
} as const satisfies Record<KeyColumn, keyof typeof canonicalKey>

const references = (Object.keys(evidenceKeys) as EvidenceTable[]).map((table) =>
  z.strictObject({
    table: z.literal(table),
    keys: z
      .strictObject(Object.fromEntries(evidenceKeys[table].map((column) => [column, canonicalKey[keyTypes[column]].optional()])))
      .refine((keys) => Object.values(keys).some((value) => value !== undefined), 'must name the rows by at least one column'),
  }),
)

export const evidenceInput = z
  .strictObject({
    dim: z.enum(evidenceDimensions),
    refPg: z.discriminatedUnion('table', references as [(typeof references)[0], ...typeof references]).optional(),
    refOo: z
      .string()
      .regex(/^[0-9]{1,18}$/, 'must be the id of a locator')
      .transform((id) => String(BigInt(id)))
      .optional(),
    note: storableText.refine((text) => Buffer.byteLength(text) <= 10_000, 'must be at most 10,000 bytes long').optional(),
  })
  .refine(({ refPg, refOo }) => refPg !== undefined || refOo !== undefined, 'must have a reference: give refPg, refOo or both')
