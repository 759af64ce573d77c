import { expect, it } from 'vitest'
import { evidenceChain } from '../../../src/events/evidenceChain.ts'
import { unitScope } from '../../support/unitScope.ts'

const event = '0b9ff2c4-51d0-4b7c-9b4c-6a4d31f9f3a1'

it('is one select over finished rows', () => {
  const { sql, parameters } = evidenceChain(unitScope(), { eventId: event }).where('dim', '=', 'trace').compile()
  expect(sql).toBe(
    'select "link".* from (' +
      'select "event"."event_id" as "event_id", "event"."detected_at" as "detected_at", "event"."severity" as "severity", ' +
      '"event"."kind" as "kind", "event"."title" as "title", "event"."summary" as "summary", event.labels as "labels", ' +
      '"event"."resource_id" as "resource_id", "resource"."urn" as "urn", "evidence"."evidence_id" as "evidence_id", ' +
      '"evidence"."dim" as "dim", evidence.ref_pg as "ref_pg", "evidence"."note" as "note", "locator"."dataset" as "dataset", ' +
      '"locator"."bucket" as "object_bucket", "locator"."object_key" as "object_key", "locator"."query_hint" as "query_hint", ' +
      '"locator"."t_from" as "t_from", "locator"."t_to" as "t_to" ' +
      'from "public"."event_envelope" as "event" ' +
      'left join "public"."dim_resource" as "resource" on "resource"."tenant_id" = "event"."tenant_id" and "resource"."resource_id" = "event"."resource_id" ' +
      'left join "public"."evidence_link" as "evidence" on "evidence"."tenant_id" = "event"."tenant_id" and "evidence"."event_id" = "event"."event_id" ' +
      'left join "public"."oo_locator" as "locator" on "locator"."tenant_id" = "evidence"."tenant_id" and "locator"."id" = "evidence"."ref_oo" ' +
      'where "event"."tenant_id" = $1 and "event"."event_id" = $2 order by "evidence"."evidence_id"' +
      ') as "link" where "dim" = $3',
  )
  expect(parameters).toEqual(['1', event, 'trace'])
})

it('refuses what is no UUID', () => {
  expect(() => evidenceChain(unitScope(), { eventId: "' or 1=1" })).toThrow('eventId: must be a UUID, got "\' or 1=1"')
})
