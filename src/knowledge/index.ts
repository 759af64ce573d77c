export { addDocuments, type AddDocumentsOptions, type ChunkInput, type DocumentInput } from './addDocuments.ts'
export { searchKnowledge, type FoundChunk, type KnowledgeFilters, type SearchKnowledgeOptions } from './searchKnowledge.ts'
export type { Embed } from './embedding/embed.ts'
