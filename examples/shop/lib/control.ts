/** What payment can suffer from: nothing, a provider many times slower, or one that also stops answering. */
export type Fault = 'none' | 'slow' | 'failing'

/** What the parent process tells its children. */
export type Order = { readonly order: 'stop' } | { readonly order: 'fault'; readonly fault: Fault }

const cleanUps: Array<() => Promise<unknown>> = []
let stopping = false

// The parent decides when to stop, also after Ctrl-C (which reaches the whole process group): telemetry still has to be flushed.
process.on('SIGINT', () => {})
process.on('disconnect', () => void stop())
process.on('message', (message: Order) => {
  if (message.order === 'stop') void stop()
})

/** Tells the parent that this process is ready to serve. */
export function reportReady(): void {
  process.send?.('ready')
}

/** Registers something to finish before this process exits; the last registered is finished first. */
export function onStop(cleanUp: () => Promise<unknown>): void {
  cleanUps.unshift(cleanUp)
}

/** Calls `listener` whenever the parent changes the fault. */
export function onFault(listener: (fault: Fault) => void): void {
  process.on('message', (message: Order) => {
    if (message.order === 'fault') listener(message.fault)
  })
}

async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  for (const cleanUp of cleanUps) await cleanUp().catch((error: unknown) => console.error(error))
  process.exit(0)
}
