import type { Transferable } from 'node:worker_threads'

/** One end of a connection between two threads. */
export interface Port {
  postMessage(message: unknown, transfer?: readonly Transferable[]): void
  on(event: 'message', listener: (message: Message) => void): unknown
}

type Message = { call: number; method: string; args: unknown[] } | { answer: number; value: unknown } | { answer: number; failure: unknown }

// oxlint-disable-next-line typescript/no-explicit-any -- whatever the methods take
type Method = (...args: any[]) => unknown

/** How failures pass from one thread to the other, which has other classes and no stack in common. */
export interface Failures {
  pack(error: unknown): unknown
  unpack(packed: unknown): unknown
}

/** Bytes that are handed over, and not copied, with an answer. */
export class Handed<T> {
  readonly value: T
  readonly bytes: readonly Uint8Array[]

  constructor(value: T, bytes: readonly Uint8Array[]) {
    this.value = value
    this.bytes = bytes
  }
}

/** A copy whose memory has nothing else in it, so that it can be handed over. */
export const alone = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)

type Unpacked<T> = T extends Handed<infer Value> ? Value : T
type Answer<M extends Method> = Unpacked<Awaited<ReturnType<M>>>

/** Methods of another thread, and of this one for the other, called by messages. */
export class Calls<Theirs extends { [Name in keyof Theirs]: Method }> {
  readonly #port: Port
  readonly #failures: Failures
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  #last = 0
  #failed: { error: unknown } | undefined

  constructor(port: Port, ours: Readonly<Record<string, Method>>, failures: Failures) {
    this.#port = port
    this.#failures = failures
    port.on('message', (message) => {
      if ('call' in message) void this.#serve(message, ours)
      else this.#settle(message)
    })
  }

  call<Name extends keyof Theirs & string>(method: Name, ...args: Parameters<Theirs[Name]>): Promise<Answer<Theirs[Name]>> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed.error)
      const call = ++this.#last
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject })
      this.#port.postMessage({ call, method, args })
    })
  }

  /** Ends all calls, those that wait and those to come. */
  fail(error: unknown): void {
    if (this.#failed !== undefined) return
    this.#failed = { error }
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  async #serve({ call, method, args }: { call: number; method: string; args: unknown[] }, ours: Readonly<Record<string, Method>>) {
    try {
      const value = await ours[method]!(...args)
      if (value instanceof Handed) this.#port.postMessage({ answer: call, value: value.value }, buffersOf(value.bytes))
      else this.#port.postMessage({ answer: call, value })
    } catch (error) {
      this.#port.postMessage({ answer: call, failure: this.#failures.pack(error) })
    }
  }

  #settle(message: Exclude<Message, { call: number }>): void {
    const waiting = this.#waiting.get(message.answer)
    this.#waiting.delete(message.answer)
    if ('failure' in message) waiting?.reject(this.#failures.unpack(message.failure))
    else waiting?.resolve(message.value)
  }
}

const buffersOf = (bytes: readonly Uint8Array[]): ArrayBuffer[] => bytes.map(({ buffer }) => buffer as ArrayBuffer)
