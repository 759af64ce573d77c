export { rankBy } from './rankBy.ts'
export type { RankingFrame, RankingRow } from './rankingFrame.ts'
export { topK } from './topK.ts'
