import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import type { Severity } from '../../schema/severity.ts'
import { severityNamed, severityOfNumber } from '../../schema/severityNames.ts'
import { saidIn } from '../messageOf.ts'
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
  /** The severity that is given, or else the one that the message names; null without one. */
  readonly severity: Severity | null
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
  /**
   * The template of a message, which may change what the templates of earlier messages are.
   *
   * @param severity OpenTelemetry's number, or a name: `17`, `crit`, `E`, `Verbose`. Without one
   * the message is looked at: a field of JSON or logfmt, the priority of syslog, a name at its
   * beginning.
   */
  learn(message: string, severity?: number | string | null): LearnedMessage
  /** The fingerprint that a fingerprint stands for now: another one if its template was merged. */
  resolve(fingerprint: string): string
  report(): LogMinerReport
}

/**
 * Parameters and severity are looked for when they are read: that takes as long as all the rest.
 */
class Learned implements LearnedMessage {
  readonly fingerprint: string
  readonly template: string
  readonly isNew: boolean
  readonly #message: string
  readonly #words: readonly string[] | null
  readonly #severity: number | string | null | undefined

  constructor({ key, words, text, fingerprint }: Template, message: string, isNew: boolean, severity: number | string | null | undefined) {
    this.fingerprint = fingerprint
    this.template = text
    this.isNew = isNew
    this.#message = message
    this.#words = key === text ? null : words
    this.#severity = severity
  }

  get parameters(): string[] {
    return parametersOf(this.#message, this.#words)
  }

  get severity(): Severity | null {
    const given = this.#severity
    const own = typeof given === 'number' ? severityOfNumber(given) : severityNamed(given)
    return own ?? saidIn(this.#message).severity ?? severityBegins(this.#message)
  }
}

/** The severity that a message begins with: `ERROR: ...`, `[warn] ...`, `<crit> ...`. */
function severityBegins(message: string): Severity | null {
  const name = /^\s{0,8}(?:[[(<]([A-Za-z]{1,13})[\])>]|([A-Za-z]{4,13}):|([A-Z]{4,13})\s)/.exec(message)
  return name === null ? null : severityNamed(name[1] ?? name[2] ?? name[3])
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

  learn(message: string, severity?: number | string | null): LearnedMessage {
    const template = this.#templates.learn(wordsOf(message))
    const isNew = !template.seen
    template.seen = true
    return new Learned(template, message, isNew, severity)
  }

  resolve(fingerprint: string): string {
    return this.#templates.resolve(fingerprint)?.fingerprint ?? fingerprint
  }

  report(): LogMinerReport {
    const { size, merged, forgotten, exploded } = this.#templates
    return { templates: size, merged: merged.size, forgotten, exploded: [...exploded].sort() }
  }
}
