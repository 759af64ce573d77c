import { expect, it } from 'vitest'
import { questionTerms } from '../../../src/knowledge/questionTerms.ts'

it.each([
  ['What should I do when the payments are failing?', ['payment', 'fail']],
  [
    "Why doesn't the checkout-service answer, and why is the checkout slow?",
    ['doesnt', 'checkoutservic', 'checkout', 'servic', 'answer', 'slow'],
  ],
  [
    '支付服务为什么超时',
    ['支付', '支', '付服', '付', '服务', '服', '务为', '务', '为什', '为', '什么', '什', '么超', '么', '超时', '超', '时'],
  ],
  ['Who is who?', ['who', 'is']],
  ['to be or not to be', ['to', 'be', 'or', 'not']],
  ['', []],
])('asks %j by %j', (question, expected) => {
  expect(questionTerms(question)).toEqual(expected)
})

it('keeps all words of other languages', () => {
  expect(questionTerms('was ist das', { language: 'german' })).toEqual(['was', 'ist', 'das'])
})
