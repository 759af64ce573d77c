export { addDocuments, type ChunkInput, type DocumentInput } from './addDocuments.ts'
export { searchKnowledge, type KnowledgeFilters, type SearchKnowledgeOptions } from './searchKnowledge.ts'
