export { fuseRankings, type FuseRankingsOptions, type FusedItem, type FusionMethod } from './fuseRankings.ts'
export { rankBy, type RankedRow } from './rankBy.ts'
export type { RankingFrame, RankingRow } from './rankingFrame.ts'
export { topK } from './topK.ts'
