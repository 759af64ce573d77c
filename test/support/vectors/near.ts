import { expect } from 'vitest'

/** The numbers of a judgement, each within 1e-9 of its size, as vitest compares it. */
export function near<J extends { expected: number; spread: number; score: number }>(judgement: J) {
  const { expected, spread, score } = judgement
  return { ...judgement, expected: close(expected), spread: close(spread), score: close(score) }
}

const close = (number: number) =>
  Number.isFinite(number) && number !== 0 ? expect.closeTo(number, Math.floor(9 - Math.log10(Math.abs(number)))) : number
