import { partsOf, placeholder } from '../pattern.ts'
import type { Template } from './templates.ts'
import { wordsIn } from './words.ts'

/**
 * Which parameter of a line or a template a value is of: how many of its words come before, and the
 * how manyth it is after the same word: `3.0`.
 */
export type Place = string

/** After one word up to this many parameters are distinguished. */
const mostAfterWord = 3
/** Of a template up to this many parameters count, the first ones. */
export const mostParameters = 12
/** Of a longer value the beginning counts. */
const maxValueLength = 100

const placeOf = (words: number, number: number): Place | null => (number < mostAfterWord ? `${words}.${number}` : null)

/** The order of parameters in a message. */
export function byPlace(a: Place, b: Place): number {
  const [wordsA, numberA] = a.split('.').map(Number) as [number, number]
  const [wordsB, numberB] = b.split('.').map(Number) as [number, number]
  return wordsA - wordsB || numberA - numberB
}

/** What the masks replace in a message, each with its place in the masked line. */
export function valuesIn(message: string): [place: Place, value: string][] {
  let line = ''
  const found: { at: number; text: string }[] = []
  for (const { text, variable } of partsOf(message)) {
    if (variable) found.push({ at: line.length, text })
    line += variable ? placeholder : text
  }
  if (found.length === 0) return []
  const places = placesOf(
    line,
    found.map(({ at }) => at),
  )
  return found.flatMap(({ text }, index): [Place, string][] => (places[index] == null ? [] : [[places[index], valueOf(text)]]))
}

const valueOf = (text: string) => (text.length > maxValueLength ? `${text.slice(0, maxValueLength - 1).toWellFormed()}…` : text)

/** Messages of one pattern are alike, so most are found here. */
const known = new Map<string, readonly (Place | null)[]>()
const maxKnown = 5_000

function placesOf(line: string, parameters: readonly number[]): readonly (Place | null)[] {
  const before = known.get(line)
  if (before !== undefined) return before
  const words = wordsIn(line)
  const places: (Place | null)[] = []
  let passed = 0
  let number = 0
  for (const at of parameters) {
    const first = passed
    while (passed < words.length && words[passed]!.at < at) passed += 1
    if (passed > first) number = 0
    places.push(placeOf(passed, number))
    number += 1
  }
  const few = places.slice(0, mostParameters)
  if (known.size >= maxKnown) known.clear()
  known.set(line, few)
  return few
}

/** How often each value of each parameter came. */
export type ParameterCounts = ReadonlyMap<Place, ReadonlyMap<string, number>>

/**
 * The parameters of a template, from those of one of its masked lines: the words of the line that
 * the template does not have are values too.
 *
 * @param count how many messages had the line.
 */
export function parametersIn(template: Template, line: string, counts: ParameterCounts, count: number): [Place, string, number][] {
  const fixed = template.words.length > 0 ? template.words : wordsIn(template.text).map(({ text }) => text)
  const places = [...counts.keys()].sort(byPlace)
  const found: [Place, string, number][] = []
  let words = 0
  let number = 0
  const add = (values: Iterable<readonly [string, number]>) => {
    const place = placeOf(words, number)
    number += 1
    if (place !== null) for (const [value, times] of values) found.push([place, value, times])
  }
  const lineWords = wordsIn(line)
  for (let at = 0, next = 0; at <= lineWords.length; at += 1) {
    for (; next < places.length && Number.parseInt(places[next]!, 10) === at; next += 1) add(counts.get(places[next]!)!)
    const word = lineWords[at]?.text
    if (word === undefined) continue
    if (word !== fixed[words]) add([[valueOf(word), count]])
    else {
      words += 1
      number = 0
    }
  }
  return found
}
