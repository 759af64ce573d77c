import type { Check } from '../database/checks/check.ts'
import { journalCheck } from '../ingest/journal/journalCheck.ts'

/**
 * The checks of the rooms beside and above `operate/`, which `doctor` cannot know of itself; those
 * of the rooms below are its standard ones.
 */
export const roomChecks: readonly Check[] = [journalCheck]
