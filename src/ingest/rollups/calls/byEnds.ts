/** Values by caller and callee, both by URN. */
export class ByEnds<T> {
  readonly #callees = new Map<string, Map<string, T>>()

  get(src: string, dst: string): T | undefined {
    return this.#callees.get(src)?.get(dst)
  }

  /** The value of a pair; a missing one is created. */
  getOrCreate(src: string, dst: string, create: () => T): T {
    let callees = this.#callees.get(src)
    if (callees === undefined) this.#callees.set(src, (callees = new Map()))
    let value = callees.get(dst)
    if (value === undefined) callees.set(dst, (value = create()))
    return value
  }

  *values(): Generator<T> {
    for (const callees of this.#callees.values()) yield* callees.values()
  }
}
