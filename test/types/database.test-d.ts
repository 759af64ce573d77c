import type { ControlledTransaction, Generated, Kysely, Transaction } from 'kysely'
import { expectTypeOf } from 'vitest'
import { isUnknownResource, tenantScope, type AnyKysely, type CamelCased } from '../../src/database/index.ts'
import { migrateUp } from '../../src/operate/index.ts'

interface Tables {
  owner: { team: string; service_id: Generated<string> }
}

expectTypeOf<Kysely<Tables>>().toExtend<AnyKysely>()
expectTypeOf<Kysely<{}>>().toExtend<AnyKysely>()
expectTypeOf<Transaction<Tables>>().toExtend<AnyKysely>()
expectTypeOf<ControlledTransaction<Tables, ['before']>>().toExtend<AnyKysely>()
expectTypeOf(tenantScope).parameter(0).toEqualTypeOf<AnyKysely>()
expectTypeOf(migrateUp).parameter(0).toEqualTypeOf<AnyKysely>()
// @ts-expect-error a pool is no Kysely
void tenantScope({ query: () => [] }, 't-001')

interface Row {
  dst_urn: string
  mean_p95_ms: number | null
  bucket: Date
  labels: { k8s_pod: string }
}
expectTypeOf<CamelCased<Row>>().toEqualTypeOf<{
  dstUrn: string
  meanP95Ms: number | null
  bucket: Date
  labels: { k8s_pod: string }
}>()

declare const caught: unknown
if (isUnknownResource(caught)) expectTypeOf(caught.message).toEqualTypeOf<string>()
else expectTypeOf(caught).toEqualTypeOf<unknown>()
declare const error: Error
// It may be any other error: it must not be left as none at all.
if (!isUnknownResource(error)) expectTypeOf(error).toEqualTypeOf<Error>()
