import { glob, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'

/*
 * What users read is plain English: docstrings, messages, comments in SQL, pages and examples. Many
 * of them read English as a second language. These phrases made readers read a sentence twice.
 */

/** Each phrase that has a plainer one, and the plainer one. */
const plainer: [phrase: RegExp, instead: string][] = [
  [/let expect|lets expect/, 'say what follows, or "is expected"'],
  // "if there is none" is plain; "a value that is none" is not.
  [/(?<!there )(?:is|are|was|were) none/, 'there is no ..., has no ..., or null'],
  [/told by/, 'known from, distinguished by, or according to'],
  [/(?:told|tell|tells|telling) (?:\w+ )?apart/, 'distinguish'],
  [/so many/, 'the number: "that many", "this number of", "as many as"'],
  [/anew|afresh/, 'again'],
  [/whoever|whomever/, 'the person, the role, a caller that ..., or "if you ..."'],
  [/(?:cry|cries|crying) wolf/, 'alarm without a cause'],
  [/since ever/, 'always, or from the beginning'],
  [/as ever/, 'as before, as usual, or as always'],
  [/meanwhile/, 'during this time, at the same time, or since'],
  [/wherever/, 'where, everywhere, or in every place that'],
  [/nobody knows|of which nobody/, 'unknown'],
  [/thereof|whereof|wherein|hereby|thereby|whence/, 'of it, in which, so'],
  [/likewise/, 'also, too, or in the same way'],
  [/what is said/, 'what ... says, the text, or the message'],
  [/(?:gives?|gave|giving) way/, 'yields to, or is replaced by'],
  [/(?:holds?|held|holding) back/, 'delays, keeps, or withholds'],
]

const userFacing = ['src/**/*.ts', 'sql/*.sql', 'docs/*.md', 'README.md', 'examples/**/*.{ts,md}']

/** Line breaks and what begins a line of a comment: a phrase may run over them. */
const lineBreak = String.raw`(?:[ \t]*\n[ \t]*(?:\*|//|--|>)?[ \t]*|[ \t]+)`

/** The phrases found in a text, each with its line and what to write instead. */
function found(text: string): string[] {
  return plainer.flatMap(([phrase, instead]) => {
    const acrossLines = new RegExp(String.raw`\b(?:${phrase.source.replaceAll(' ', lineBreak)})\b`, 'gi')
    return [...text.matchAll(acrossLines)].map(({ 0: match, index }) => {
      const line = text.slice(0, index).split('\n').length
      return `${line}: "${match.replace(/\s+(?:\*|\/\/|--|>)?\s*/g, ' ')}", write instead: ${instead}`
    })
  })
}

describe('what users read', () => {
  it('has none of the phrases that have a plainer one', async () => {
    const wrong: string[] = []
    let files = 0
    for await (const file of glob(userFacing)) {
      files += 1
      wrong.push(...found(await readFile(file, 'utf8')).map((what) => `${file}:${what}`))
    }
    expect(files).toBeGreaterThan(300)
    expect(wrong.toSorted()).toEqual([])
  })

  it.each([
    ['A value that is none.', ['1: "is none", write instead: there is no ..., has no ..., or null']],
    ['Null if there\n// is none.', []],
    [
      '/**\n * The rows that are told\n * by their keys.\n */',
      ['2: "told by", write instead: known from, distinguished by, or according to'],
    ],
    ['-- Is sent\n-- anew.', ['2: "anew", write instead: again']],
    ['How Windows tell them apart', ['1: "tell them apart", write instead: distinguish']],
    ['a renewed bucket, nonetheless', []],
  ])('%j', (text, expected) => {
    expect(found(text)).toEqual(expected)
  })
})
