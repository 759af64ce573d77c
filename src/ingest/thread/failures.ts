import { InvalidInputError, VantageError } from '../../schema/errors.ts'
import type { Failures } from './calls.ts'

/** A failure of the service's thread, which is kept there. */
interface Kept {
  kept: number
  message: string
  /** Its code, and what else the server said. */
  details: Record<string, string>
}

/** A failure of the other thread. */
type Own = Pick<VantageError, 'problem' | 'remedy' | 'code'> | Pick<InvalidInputError, 'problem' | 'remedy' | 'field'> | { error: unknown }

type Packed = Kept | { own: Own }

/** A failure of the service's thread, as the other one sees it. */
class ServiceFailure extends Error {
  readonly #packed: Kept

  constructor(packed: Kept) {
    super(packed.message)
    Object.assign(this, packed.details)
    this.#packed = packed
  }

  static packedOf(error: unknown): Kept | undefined {
    return error instanceof ServiceFailure ? error.#packed : undefined
  }
}

/** In the service's thread: its failures stay as they are, whatever the other thread makes of them. */
export class ServiceFailures implements Failures {
  readonly #kept: unknown[] = []

  pack(error: unknown): Packed {
    const details = Object.entries(error instanceof Error ? error : {}).filter(([, value]) => typeof value === 'string')
    const message = error instanceof Error ? error.message : String(error)
    return { kept: this.#kept.push(error) - 1, message, details: Object.fromEntries(details) }
  }

  unpack(packed: unknown): unknown {
    const failure = packed as Packed
    if ('kept' in failure) return this.#kept[failure.kept]
    const { own } = failure
    if ('error' in own) return own.error
    if ('field' in own) return new InvalidInputError(own.field, own.problem, { remedy: own.remedy })
    return new VantageError(own.problem, { code: own.code, remedy: own.remedy })
  }
}

/** In the other thread. */
export const threadFailures: Failures = {
  pack(error): Packed {
    const kept = ServiceFailure.packedOf(error)
    if (kept !== undefined) return kept
    if (error instanceof InvalidInputError) {
      const { field, problem, remedy } = error
      // Its problem begins with the field.
      return { own: { field, problem: problem.slice(field.length + 2), remedy } }
    }
    if (error instanceof VantageError) return { own: { problem: error.problem, code: error.code, remedy: error.remedy } }
    return { own: { error: error instanceof Error ? error : new Error(String(error)) } }
  },
  unpack: (packed) => new ServiceFailure(packed as Kept),
}
