import { expectTypeOf } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { attachEvidence } from '../../../src/events/attachEvidence.ts'
import { evidenceChain } from '../../../src/events/evidenceChain.ts'

declare const scope: Scope

const [row] = await evidenceChain(scope, { eventId: 'e' }).execute()
expectTypeOf(row!.event_id).toEqualTypeOf<string>()
expectTypeOf(row!.detected_at).toEqualTypeOf<Date>()
expectTypeOf(row!.urn).toEqualTypeOf<string | null>()
expectTypeOf(row!.evidence_id).toEqualTypeOf<string | null>()
expectTypeOf(row!.t_from).toEqualTypeOf<Date | null>()

// The inner tables are out of reach: only the finished row can be narrowed.
// @ts-expect-error
evidenceChain(scope, { eventId: 'e' }).where('event.tenant_id', '=', '2')

// @ts-expect-error a column that does not name the table's rows
void attachEvidence(scope, { eventId: 'e', evidence: [{ dim: 'kb', refPg: { table: 'kb_doc', keys: { bucket: new Date() } } }] })
// @ts-expect-error a table that is not ours
void attachEvidence(scope, { eventId: 'e', evidence: [{ dim: 'kb', refPg: { table: 'pg_class', keys: {} } }] })
