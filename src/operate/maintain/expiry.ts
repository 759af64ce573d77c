import { sql } from 'kysely'
import { expireEvents, type EventCursor } from '../../events/expireEvents.ts'
import { expireLocators, locatorDatasets, type LocatorCursor } from '../../events/expireLocators.ts'
import type { MaintenanceRun } from './run.ts'

/** Deletes events and locators that are older than their retention, tenant by tenant. */
export async function expireOld(run: MaintenanceRun): Promise<void> {
  const events = run.expiredBefore('event_envelope')
  if (events !== null) {
    const stretch = { from: null, to: events }
    for (const tenant of await tenants(run)) {
      try {
        for (let next: EventCursor | null | undefined; next !== null;) {
          const began = run.begin()
          const deleted = await expireEvents(run.db, run.installation, tenant, events, next ?? null)
          if (deleted.events > 0) run.did('expire', 'event_envelope', stretch, deleted.events, began)
          next = deleted.next
        }
      } catch (error) {
        run.failed('expire', 'event_envelope', stretch, error, tenant)
      }
    }
  }
  const locators = run.expiredBefore('oo_locator')
  if (locators === null) return
  const stretch = { from: null, to: locators }
  for (const dataset of locatorDatasets) {
    await run.attempt('expire', 'oo_locator', stretch, async () => {
      for (let next: LocatorCursor | null | undefined; next !== null;) {
        const began = run.begin()
        const deleted = await expireLocators(run.db, run.installation, dataset, locators, next ?? null)
        if (deleted.locators > 0) run.did('expire', 'oo_locator', stretch, deleted.locators, began)
        next = deleted.next
      }
    })
  }
}

async function tenants(run: MaintenanceRun): Promise<string[]> {
  const { rows } = await sql<{ tenant: string }>`
    select tenant_id::text as tenant from ${sql.id(run.installation.schema, 'dim_tenant')} order by tenant_id
  `.execute(run.db)
  return rows.map(({ tenant }) => tenant)
}
