import type { OtlpRequest } from '../sources/otlpRequest.ts'
import type { ReadableRequest } from '../sources/readableRequest.ts'
import { Batch, type BatchRules, type Known } from './batch.ts'
import { recordCounts, type RecordCounts } from './recordsOf.ts'

/** What is kept of a request: enough to read it again. */
interface Kept {
  digest: string
  records: RecordCounts
  again(): OtlpRequest
}

/**
 * Requests that are read into compact records one by one, as they come. Their documents, which take
 * many times the memory, are not kept: what must be read again is read from its bytes.
 */
export class CompactBatch {
  /** Their records, as if nothing were known of them. */
  readonly batch: Batch
  readonly rules: BatchRules
  readonly #kept: Kept[] = []

  constructor(rules: BatchRules) {
    this.rules = rules
    this.batch = new Batch([], rules)
  }

  add({ request, again }: ReadableRequest): void {
    this.batch.add([request])
    // A document is the same object again, so that a function of the caller's is asked once only.
    const isAsked = this.rules.resourceOf !== undefined
    this.#kept.push({ digest: request.digest, records: recordCounts(request), again: isAsked ? () => request : again })
  }

  /** The records without what is known already. */
  without(known: Known): Batch {
    const rest = new Batch([], this.rules, known, this.batch.reporters)
    for (const { digest, records, again } of this.#kept) {
      if (known.requests.has(digest)) rest.addRepeated(records)
      else rest.add([again()])
    }
    return rest
  }
}
