export { communities, type Communities, type CommunitiesOptions, type Community } from './analysis/communities.ts'
export { criticality, type CriticalityOptions, type CriticalityRow } from './analysis/criticality.ts'
export { layers, type LayerRow, type LayersOptions } from './analysis/layers.ts'
export {
  singlePointsOfFailure,
  type ArticulationPoint,
  type Bridge,
  type CutOff,
  type SinglePoints,
  type SinglePointsOptions,
} from './analysis/singlePointsOfFailure.ts'
export { stronglyConnectedComponents, type StrongComponent } from './analysis/stronglyConnectedComponents.ts'
export { cycles, type CycleRow } from './cycles.ts'
export { AgtypeEdge, AgtypeNumeric, AgtypePath, AgtypeVertex, type Agtype, type AgtypeMap } from './cypher/agtype.ts'
export { cypher, type CypherOptions } from './cypher/cypher.ts'
export type { CypherColumns, CypherEdge, CypherPath, CypherRow, CypherTypes, CypherVertex } from './cypher/cypherColumns.ts'
export { cypherText } from './cypher/cypherText.ts'
export { decodeAgtype } from './cypher/decodeAgtype.ts'
export { encodeAgtype, type AgtypeInput } from './cypher/encodeAgtype.ts'
export { explainCypherError } from './cypher/explainCypherError.ts'
export type { EdgeFrame, EdgeRow } from './edgeFrame.ts'
export { impact, type ImpactOptions, type ImpactRow } from './impact.ts'
export { kShortestPaths, type KShortestPathsOptions, type RankedPathStep } from './kShortestPaths.ts'
export { mirrorGraph, type ChangeCounts, type MirrorCounts, type MirrorGraphOptions } from './mirrorGraph.ts'
export { neighbourhood, type NeighbourhoodOptions } from './neighbourhood.ts'
export { pathsBetween, type PathBetweenStep, type PathsBetweenOptions } from './pathsBetween.ts'
export { reach, type ReachedPath, type ReachOptions, type ReachRow } from './reach.ts'
export { resourceNames, type ResourceName } from './resourceNames.ts'
export { shortestPath, type PathStep, type ShortestPathOptions } from './shortestPath.ts'
export { toGraphology, type EdgeAttributes, type FrameGraph, type ToGraphologyOptions, type WithVertices } from './toGraphology.ts'
export type { VertexFrame, VertexRow } from './vertexFrame.ts'
export type { WalkDirection } from './walkedEdges.ts'
