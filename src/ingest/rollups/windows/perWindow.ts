import type { OpenWindow } from './openWindow.ts'

/** What a signal gathers in each open window, made when the first record comes. */
export class PerWindow<T> {
  readonly #create: () => T
  readonly #gathered = new Map<OpenWindow, T>()

  constructor(create: () => T) {
    this.#create = create
  }

  of(window: OpenWindow): T {
    let gathered = this.#gathered.get(window)
    if (gathered === undefined) this.#gathered.set(window, (gathered = this.#create()))
    return gathered
  }

  /** Hands out what was gathered in a window that closes, and forgets it. */
  take(window: OpenWindow): T {
    const gathered = this.of(window)
    this.#gathered.delete(window)
    return gathered
  }
}
