/**
 * How many tokens a text has, estimated: a third of its bytes in UTF-8. So a Chinese character is
 * one token and three letters of English are another, which is rather too many than too few for the
 * tokenizers of today's models.
 */
export const estimatedTokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / 3)

/**
 * The positions of texts in batches, in order: of at most `batchTokens` estimated tokens and
 * `batchTexts` texts.
 *
 * A text that is empty, or too long for any batch, is a batch of its own: those are the ones that
 * providers refuse.
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
