import type { Installation } from '../../database/installation/installation.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import { checkedItems } from '../checkedItems.ts'
import { goldenQuestion, type CheckedGoldenQuestion } from './golden.ts'

/**
 * Yields the questions, each checked, also against the earlier ones: no question may occur twice,
 * and without `embed` either all questions bring an embedding or no question does.
 *
 * @param embedding where it comes from: `made` if `embed` is given; `needed` if it is not, and
 * searches by embedding are measured; otherwise `optional`.
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
          `must be asked once, and golden[${before}] asks it already: name all relevant documents there, got ${preview(question)}`,
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
