import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { wordsOf } from '../pattern.ts'
import { defaultThresholds, type Thresholds } from './families.ts'
import { parametersOf } from './parameters.ts'
import { Templates, type Template, type TemplateLimits } from './templates.ts'

export interface LogMinerOptions {
  /** How many templates are kept; the ones seen longest ago are forgotten. Default: 20,000. */
  maxTemplates?: number
  /** How many different masked lines are remembered with their template. Default: 50,000. */
  maxLines?: number
}

/** What a message is. */
export interface LearnedMessage {
  /** 32 hexadecimal digits. The same in every process and order, once the template is known. */
  fingerprint: string
  /** The message, with `<*>` for what varies. */
  template: string
  /** Whether this is the first message of the template. */
  isNew: boolean
  /** What varies in it, in order. Several values in a row may be one `<*>` of the template. */
  readonly parameters: string[]
}

/** How a miner stands. */
export interface LogMinerReport {
  /** Templates that are kept and were not merged. */
  templates: number
  /** Templates that were merged into a more general one. */
  merged: number
  /** Templates that were forgotten, because there are more than `maxTemplates`. */
  forgotten: number
  /** Beginnings of messages that too many words followed: the rest of such messages is `<*>`. */
  exploded: string[]
}

/** Learns the templates of log messages. */
export interface LogMiner {
  /** The template of a message, which may change what the templates of earlier messages are. */
  learn(message: string): LearnedMessage
  /** The fingerprint that a fingerprint stands for now: another one if its template was merged. */
  resolve(fingerprint: string): string
  report(): LogMinerReport
}

/** Parameters are looked for when they are read: that takes as long as all the rest. */
class Learned implements LearnedMessage {
  readonly fingerprint: string
  readonly template: string
  readonly isNew: boolean
  readonly #message: string
  readonly #words: readonly string[] | null

  constructor({ key, words, text, fingerprint }: Template, message: string, isNew: boolean) {
    this.fingerprint = fingerprint
    this.template = text
    this.isNew = isNew
    this.#message = message
    this.#words = key === text ? null : words
  }

  get parameters(): string[] {
    return parametersOf(this.#message, this.#words)
  }
}

const options = z.strictObject({
  maxTemplates: z.int().min(100).default(20_000),
  maxLines: z.int().min(0).default(50_000),
})

/**
 * A miner that learns the templates of log messages: which words are part of the message, and which
 * vary.
 *
 * | step | what |
 * |---|---|
 * | masks | numbers, addresses, times, ids are `<*>`, as in {@link patternOf}; values after `=` and quoted words without a digit stay |
 * | words | a template is known by its words: placeholders, their units and punctuation do not count, so `() at <*>` and `(<*>) at <*>` are one |
 * | families | where templates differ in one word, and that word has enough values, it is variable (see {@link Thresholds}), and they become one |
 * | fingerprint | a hash of the template's words. A merged template redirects to the one it became |
 *
 * Which templates there are at the end depends on the set of messages, not on their order, as long
 * as no beginning explodes (`report`). Memory is bounded by `maxTemplates` and `maxLines`.
 *
 * @throws InvalidInputError if an option is invalid; names the field.
 * @example
 * const miner = createLogMiner()
 * miner.learn('session opened for user root by (uid=0)').template // 'session opened for user root by (uid=<*>)'
 */
export function createLogMiner(given: LogMinerOptions = {}): LogMiner {
  return new Miner(parseOptions(options, given), defaultThresholds)
}

/** A miner with other thresholds than the default ones, to compare them. */
export const minerWith = (thresholds: Thresholds): LogMiner => new Miner(parseOptions(options, {}), thresholds)

class Miner implements LogMiner {
  readonly #templates: Templates

  constructor(limits: TemplateLimits, thresholds: Thresholds) {
    this.#templates = new Templates(limits, thresholds)
  }

  learn(message: string): LearnedMessage {
    const template = this.#templates.learn(wordsOf(message))
    const isNew = !template.seen
    template.seen = true
    return new Learned(template, message, isNew)
  }

  resolve(fingerprint: string): string {
    return this.#templates.resolve(fingerprint)?.fingerprint ?? fingerprint
  }

  report(): LogMinerReport {
    const { size, merged, forgotten, exploded } = this.#templates
    return { templates: size, merged: merged.size, forgotten, exploded: [...exploded].sort() }
  }
}
