import { installation } from './0001_installation.ts'
import { catalog } from './0002_catalog.ts'
import { rollups } from './0003_rollups.ts'
import { topology } from './0004_topology.ts'
import { knowledge } from './0005_knowledge.ts'
import { events } from './0006_events.ts'
import { coarserRollups } from './0007_coarser_rollups.ts'
import { topologySources } from './0008_topology_sources.ts'
import { maintenanceFailures } from './0009_maintenance_failures.ts'
import { canonicalEvidence } from './0010_canonical_evidence.ts'
import { ingestJournal } from './0011_ingest_journal.ts'
import { sketches } from './0012_sketches.ts'
import { retrieval } from './0013_retrieval.ts'
import { followedFiles } from './0014_followed_files.ts'
import type { Migration } from './migration.ts'

/** Every migration, oldest first. What has been released never changes; what comes next is appended. */
export const migrations: readonly Migration[] = [
  installation,
  catalog,
  rollups,
  topology,
  knowledge,
  events,
  coarserRollups,
  topologySources,
  maintenanceFailures,
  canonicalEvidence,
  ingestJournal,
  sketches,
  retrieval,
  followedFiles,
]
