import type { z } from 'zod'
import { InvalidInputError } from '../../schema/errors.ts'
import { parse, preview } from '../../schema/parse.ts'
import { unlessAborted } from '../embedding/waiting.ts'
import type { CheckedDocument, DocumentInput, documentInput } from './documentInput.ts'
import { inPieces, keyOf, type SplitDocument } from './prepare.ts'
import type { SplitOptions } from './split.ts'

export interface Group {
  documents: SplitDocument[]
  /** Whether none comes after it. */
  last: boolean
}

/**
 * What is written in one transaction at most, in documents, chunks and characters; at least one
 * document.
 */
const most = { documents: 64, chunks: 500, characters: 2_000_000 }

/**
 * Documents in groups, in order; a document that comes again begins another group. An array is
 * checked whole before the first one, of anything else each document when it comes; those before
 * one that is refused are a group of their own.
 *
 * @throws InvalidInputError naming the document and the field.
 */
export async function* groupsOf(
  documents: Iterable<DocumentInput> | AsyncIterable<DocumentInput>,
  { schema, split, signal }: { schema: ReturnType<typeof documentInput>; split: SplitOptions; signal: AbortSignal | undefined },
): AsyncGenerator<Group> {
  let open: SplitDocument[] = []
  let keys = new Set<string>()
  let size = { chunks: 0, characters: 0 }
  let refusal: { error: unknown } | undefined
  const checked = checkedDocuments(documents, { schema, signal })
  for (;;) {
    const next = await checked.next().catch((error: unknown) => {
      signal?.throwIfAborted()
      refusal = { error }
    })
    if (next === undefined || next.done) break
    const document = inPieces(next.value, split)
    const key = keyOf(document)
    const full = open.length >= most.documents || size.chunks >= most.chunks || size.characters >= most.characters
    if (full || keys.has(key)) {
      yield { documents: open, last: false }
      open = []
      keys = new Set()
      size = { chunks: 0, characters: 0 }
    }
    open.push(document)
    keys.add(key)
    size.chunks += document.pieces.length
    size.characters += document.pieces.reduce((sum, { content }) => sum + content.length, 0)
  }
  if (open.length > 0) yield { documents: open, last: refusal === undefined }
  if (refusal !== undefined) throw refusal.error
}

async function* checkedDocuments(
  documents: Iterable<DocumentInput> | AsyncIterable<DocumentInput>,
  { schema, signal }: { schema: ReturnType<typeof documentInput>; signal: AbortSignal | undefined },
): AsyncGenerator<CheckedDocument> {
  if (Array.isArray(documents)) {
    yield* parse(schema.array(), documents, 'documents')
    return
  }
  let at = 0
  for await (const document of untilAborted(documents, signal)) {
    yield parse<z.ZodType<CheckedDocument>>(schema, document, `documents[${at}]`)
    at += 1
  }
}

export function assertDocuments(documents: unknown): void {
  const given = typeof documents === 'object' && documents !== null ? documents : {}
  if (!(Symbol.iterator in given) && !(Symbol.asyncIterator in given))
    throw new InvalidInputError('documents', `must be documents: an array, or anything that yields them, got ${preview(documents)}`)
}

/** What a source yields until the signal; one that has gone quiet is not waited for. */
async function* untilAborted<T>(source: Iterable<T> | AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  if (signal === undefined) {
    yield* source
    return
  }
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  try {
    for (;;) {
      const next = await unlessAborted(async () => items.next(), signal)
      if (next.done) return
      yield next.value
    }
  } finally {
    // A generator in the middle of a read takes this when that ends, which may be never.
    const closed = Promise.resolve(items.return?.())
    if (signal.aborted) closed.catch(() => {})
    else await closed
  }
}
