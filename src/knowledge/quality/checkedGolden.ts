import type { Installation } from '../../database/installation/installation.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import { checkedItems } from '../checkedItems.ts'
import { goldenQuestion, type CheckedGoldenQuestion } from './golden.ts'

/**
 * The questions, each checked, also against the ones before: none is asked twice, and where nothing
 * embeds them, all bring an embedding or none does.
 *
 * @param embedding who gives it: `made` where something embeds questions; `needed` where nothing
 * does and it is searched by embedding; else `optional`.
 */
export function checkedGolden(
  golden: Iterable<unknown> | AsyncIterable<unknown>,
  {
    installation,
    embedding: rule,
    signal,
  }: { installation: Installation; embedding: 'made' | 'needed' | 'optional'; signal: AbortSignal | undefined },
): AsyncGenerator<CheckedGoldenQuestion> {
  const places = new Map<string, number>()
  let brought = rule === 'needed'
  return checkedItems(golden, {
    schema: goldenQuestion(installation),
    name: 'golden',
    signal,
    check({ question, embedding }, at) {
      const before = places.get(question)
      if (before !== undefined)
        throw new InvalidInputError(
          `golden[${at}].question`,
          `must not be asked twice, as golden[${before}] does: name all that is relevant there, got ${preview(question)}`,
        )
      places.set(question, at)
      if (rule === 'made') return
      if (rule === 'optional' && at === 0) brought = embedding !== undefined
      if (brought === (embedding !== undefined)) return
      const problem =
        rule === 'needed'
          ? 'must be given, or embed, to search by embedding'
          : 'must be given for all questions or for none, or embed for the rest'
      throw new InvalidInputError(`golden[${at}].embedding`, `${problem}, got ${preview(embedding)}`)
    },
  })
}
