import { expect, it } from 'vitest'
import plugin from '../support/lint/linearPatterns.ts'

/** What the rule says of a part of a program. */
function problems(kind: 'Literal' | 'NewExpression', node: object): string[] {
  const found: string[] = []
  const rule = plugin.rules.linear.create({ report: ({ message }) => found.push(message) })
  rule[kind]({ type: kind, ...node })
  return found
}

it.each([
  ['^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$', 'i', /^This pattern takes time that is 3rd degree polynomial/],
  ['^(?:"(?:[^"]|"")*"|[\\w$.])*$', '', /exponential/],
  ['\\s+$', '', /2nd degree polynomial/],
])('refuses /%s/%s', (pattern, flags, message) => {
  expect(problems('Literal', { regex: { pattern, flags } })).toEqual([expect.stringMatching(message)])
})

it('lets a linear one pass, and what is no pattern', () => {
  expect(problems('Literal', { regex: { pattern: '^[A-Za-z][A-Za-z0-9_]{0,47}$', flags: '' } })).toEqual([])
  expect(problems('Literal', {})).toEqual([])
  expect(problems('NewExpression', { callee: { type: 'Identifier', name: 'Map' } })).toEqual([])
})

it('refuses one that nobody can see before it runs', () => {
  expect(problems('NewExpression', { callee: { type: 'Identifier', name: 'RegExp' } })).toHaveLength(1)
})
