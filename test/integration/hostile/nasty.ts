import { expect } from 'vitest'
import { InvalidInputError } from '../../../src/schema/errors.ts'

/** Random text that is the same on every run: every plane of Unicode, no NUL, no surrogates. */
export function randomText(bytes: number, seed: number): string {
  let state = seed
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  let text = ''
  let length = 0
  while (length < bytes) {
    const limit = [0x7f, 0x7ff, 0xffff, 0x10ffff][Math.floor(random() * 4)]!
    const code = 1 + Math.floor(random() * limit)
    if (code >= 0xd800 && code <= 0xdfff) continue
    const character = String.fromCodePoint(code)
    text += character
    length += Buffer.byteLength(character)
  }
  return text
}

/** What has broken other software: quotes of every language in between, what looks like a placeholder, what cannot be stored, what is too long. */
export const nasty: readonly string[] = [
  `it's`,
  `"quoted"`,
  `''`,
  `$$`,
  `$1`,
  `$body$ select 1 $body$`,
  `$&`,
  '\\',
  `\\'`,
  `E'\\x41'`,
  `'; drop table dim_resource; --`,
  `"; drop table dim_tenant; --`,
  `$$) as (a agtype); drop table metric_1m; --`,
  `}) detach delete n //`,
  '`backticks`',
  '🦊 👩‍👩‍👧‍👦',
  '\u202Eright to left\u202C مرحبا',
  'two\nlines\r\nand a\ttab',
  ' padded ',
  '{}',
  '[]',
  'null',
  '%',
  '%s %I %L',
  '${x}',
  '{{x}}',
  '@extschema@',
  '?',
  ':name',
  '/* comment',
  '--',
  '__proto__',
  'constructor',
  'a.b.c',
  '*',
  'é and e\u0301',
  'byte \ufeff order',
  '\u0001\u007f',
  'x'.repeat(255),
  'x'.repeat(256),
  'x'.repeat(1024),
  'x'.repeat(1025),
  randomText(200, 1),
  randomText(10_240, 2),
  '',
  'a\u0000b',
  '\ud800 lone',
  'lone \udfff',
]

export const storable = (text: string): boolean => text.isWellFormed() && !text.includes('\u0000')

/** Whether text of 1 to `bytes` bytes takes it. */
export const fits =
  (bytes = Infinity) =>
  (text: string): boolean =>
    storable(text) && text !== '' && Buffer.byteLength(text) <= bytes

/** The nasty texts that a field of 1 to `bytes` bytes takes. */
export const fitting = (bytes: number): string[] => nasty.filter(fits(bytes))

/**
 * Hands every nasty text to `use`. Of one that is `taken`, `use` must give the text back exactly as it was; any other must be refused with an
 * InvalidInputError that names the field.
 */
export async function everyText(
  { field, taken }: { field: string | RegExp; taken: (text: string) => boolean },
  use: (text: string) => Promise<unknown>,
): Promise<void> {
  for (const text of nasty) {
    const shown = JSON.stringify(text.slice(0, 60))
    if (taken(text)) expect(await use(text), `what became of ${shown}`).toEqual(text)
    else await refused(field, () => use(text), shown)
  }
}

/** Hands every nasty text to `use`, which must refuse each with an InvalidInputError that names the field. */
export const noText = (field: string | RegExp, use: (text: string) => unknown): Promise<void> =>
  everyText({ field, taken: () => false }, async (text) => use(text))

async function refused(field: string | RegExp, act: () => Promise<unknown>, shown: string): Promise<void> {
  const outcome: unknown = await act().then(
    (value) => ({ taken: value }),
    (error: unknown) => error,
  )
  expect(outcome, `${shown} should be refused`).toBeInstanceOf(InvalidInputError)
  const { field: named, message } = outcome as InvalidInputError
  expect(named, `what is wrong about ${shown}`).toMatch(
    typeof field === 'string' ? new RegExp(`^${field.replace(/[.[\]]/g, '\\$&')}(?:$|[.[])`) : field,
  )
  expect(message).toContain(named)
  // The value is in the message, but bounded, and as JSON: nothing in it can break a line of a log.
  expect(message.length).toBeLessThan(400)
  expect(message).not.toMatch(/[\n\r\u0000]/)
}
