export { addDocuments, type AddDocumentsOptions, type AddDocumentsReport, type DocumentResult } from './documents/addDocuments.ts'
export type { ChunkedDocument, ChunkInput, DocumentInput, TextDocument } from './documents/documentInput.ts'
export type { EmbeddingCalls } from './documents/embedder.ts'
export { reembed, type ReembedOptions, type ReembedReport, type RefusedChunk } from './documents/reembed.ts'
export { reindexTerms, type ReindexTermsOptions } from './documents/reindexTerms.ts'
export { removeDocuments, type DocumentsWhere } from './documents/removeDocuments.ts'
export type { EmbedRetry } from './embedding/embedTexts.ts'
export type { Embed } from './embedding/embed.ts'
export { splitDocument, splitterVersion, type SplitInput, type SplitOptions } from './documents/split.ts'
export type { Piece } from './documents/piece.ts'
export { compareQuality, type FigureChange, type LegChange, type QualityChange } from './quality/compareQuality.ts'
export type { QualityMean } from './quality/estimate.ts'
export type { LegQuality, QualityLeg, QuestionFigures, SearchLeg } from './quality/figures.ts'
export type { GoldenDocument, GoldenQuestion } from './quality/golden.ts'
export {
  retrievalQuality,
  type MissingDocument,
  type QuestionQuality,
  type RetrievalQuality,
  type RetrievalQualityOptions,
} from './quality/retrievalQuality.ts'
export type { Rerank } from './rerank/rerank.ts'
export { rerankKnowledge, type RerankedChunk, type RerankKnowledgeOptions } from './rerank/rerankKnowledge.ts'
export type { RerankCalls } from './rerank/rerankTexts.ts'
export type { KnowledgeFilters } from './search/knowledgeFilters.ts'
export {
  buildVectorIndex,
  type BuildVectorIndexOptions,
  type VectorIndexProgress,
  type VectorIndexReport,
} from './vectorIndex/buildVectorIndex.ts'
export { searchKnowledge, type FoundChunk, type SearchKnowledgeOptions } from './search/searchKnowledge.ts'
