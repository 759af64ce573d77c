/**
 * The estimated number of tokens of a text: its bytes in UTF-8, divided by three. A Chinese
 * character counts as one token, and so do three English letters. For the tokenizers of current
 * models this is more often too high than too low.
 */
export const estimatedTokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / 3)

/**
 * Groups the positions of texts into batches, in order, each of at most `batchTokens` estimated
 * tokens and `batchTexts` texts.
 *
 * A text that is empty or too long for a batch is a batch of its own: providers refuse such texts.
 */
export function batchesOf(texts: readonly string[], limits: { batchTokens: number; batchTexts: number }): number[][] {
  const batches: number[][] = []
  let open: number[] = []
  let tokens = 0
  for (const [at, text] of texts.entries()) {
    const more = estimatedTokens(text)
    if (more === 0 || more > limits.batchTokens) {
      batches.push([at])
      continue
    }
    if (open.length === 0 || open.length >= limits.batchTexts || tokens + more > limits.batchTokens) {
      open = []
      tokens = 0
      batches.push(open)
    }
    open.push(at)
    tokens += more
  }
  return batches
}
