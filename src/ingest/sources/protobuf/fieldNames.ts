/** Finds a field by the bytes of its name, without making a text of them. */
export class FieldNames<T extends { readonly name: string }> {
  readonly #fields: (T | undefined)[]
  readonly #names: Uint8Array[]
  readonly #factor: number
  readonly #mask: number

  constructor(fields: readonly T[]) {
    const names = fields.map(({ name }) => Buffer.from(name))
    let [factor, size] = [3, 8]
    // A table in which each name has a place of its own.
    const places = () => names.map((name) => placeOf(name, 0, name.length, factor, size - 1))
    while (new Set(places()).size < names.length) {
      factor += 2
      if (factor > 99) [factor, size] = [3, size * 2]
    }
    this.#factor = factor
    this.#mask = size - 1
    this.#fields = Array.from({ length: size })
    this.#names = Array.from({ length: size }, () => new Uint8Array())
    for (const [at, place] of places().entries()) {
      this.#fields[place] = fields[at]
      this.#names[place] = names[at]!
    }
  }

  find(bytes: Uint8Array, from: number, to: number): T | undefined {
    const place = placeOf(bytes, from, to, this.#factor, this.#mask)
    const name = this.#names[place]!
    if (name.length !== to - from) return undefined
    for (let at = 0; at < name.length; at += 1) if (name[at] !== bytes[from + at]) return undefined
    return this.#fields[place]
  }
}

function placeOf(bytes: Uint8Array, from: number, to: number, factor: number, mask: number): number {
  if (from === to) return 0
  const middle = (from + to) >> 1
  return (((bytes[from]! * factor + bytes[middle]!) * factor + bytes[to - 1]!) * factor + (to - from)) & mask
}
