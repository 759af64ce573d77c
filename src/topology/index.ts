export { topologyAt, type TopologyAtOptions } from './topologyAt.ts'
