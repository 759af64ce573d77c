import type { Check } from '../../database/checks/check.ts'
import { extensionsCheck } from '../../database/checks/extensionsCheck.ts'
import { jitCheck } from '../../database/checks/jitCheck.ts'
import { serverVersionCheck } from '../../database/checks/serverVersionCheck.ts'
import { ageCheck } from '../../graph/ageCheck.ts'
import { termsCheck } from '../../knowledge/termsCheck.ts'
import { pgvectorCheck } from '../../knowledge/vectorIndex/pgvectorCheck.ts'
import { vectorIndexCheck } from '../../knowledge/vectorIndex/vectorIndexCheck.ts'
import { strayRowsCheck } from '../../lifecycle/partitions/strayRowsCheck.ts'
import { timescaleCheck } from '../../lifecycle/timescaleCheck.ts'
import { failingCheck } from '../maintain/failingCheck.ts'
import { overdueCheck } from '../maintain/overdueCheck.ts'
import { policyJobsCheck } from '../apply/policyJobsCheck.ts'
import { upkeepCheck } from '../policies/readableUpkeep.ts'
import { exposureCheck } from '../rights/exposureCheck.ts'

/** Checks of what the server supports. */
export const serverChecks: readonly Check[] = [serverVersionCheck, extensionsCheck, jitCheck, pgvectorCheck, ageCheck, timescaleCheck]

/** Checks of the upkeep of our tables. */
export const upkeepChecks: readonly Check[] = [
  exposureCheck,
  upkeepCheck,
  failingCheck,
  policyJobsCheck,
  overdueCheck,
  strayRowsCheck,
  vectorIndexCheck,
  termsCheck,
]
