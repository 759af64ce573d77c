import { sql, type Kysely } from 'kysely'
import { capabilities } from '../../database/capabilities.ts'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { findInstallation, type Installation, type TimeRung } from '../../database/installation/installation.ts'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { parseOptions } from '../../schema/parse.ts'
import { extensionsToCreate, installedExtensions } from '../extensions.ts'
import { timeRung } from '../timeRung.ts'
import { relations } from './rebuilt.ts'

/** A possible conversion: the server can do more than when the tables were made. */
export interface Conversion {
  fromRung: TimeRung
  toRung: TimeRung
  /** Why it cannot be done now; empty if it can. */
  obstacles: string[]
}

const height: Record<TimeRung, number> = { native: 0, apache: 1, community: 2 }

/**
 * Whether tables that were made without TimescaleDB, or without its community edition, can be moved
 * up now; null if they already use all that the server allows. Reads only.
 *
 * @example
 * const possible = await planConversion(db)
 * if (possible !== null) console.log(`${possible.fromRung} -> ${possible.toRung}`)
 */
export async function planConversion(db: AnyKysely, options: { schema?: string } = {}): Promise<Conversion | null> {
  const { schema } = parseOptions(schemaOption, options)
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const server = await capabilities(plain)
  const toRung = await timeRung(plain, new Set([...installedExtensions(server), ...extensionsToCreate(server)]))
  const fromRung = installation.timeRung
  if (height[toRung] <= height[fromRung]) return null
  return { fromRung, toRung, obstacles: await obstacles(plain, installation, relations(fromRung, toRung)) }
}

/**
 * The obstacles to replacing these relations: objects attached to a table itself instead of its
 * name, which we did not create and so cannot create again.
 *
 * @returns a phrase for each: `view public.my_report reads metric_1m`.
 */
export async function obstacles(trx: Kysely<{}>, { schema }: Installation, names: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ obstacle: string }>`
    with ours as (
      select class.oid, class.relname::text as name from pg_catalog.pg_class as class
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
      where namespace.nspname = ${schema} and class.relname = any(${names}::text[])
    )
    select distinct format('%s %s reads %s', case reader.relkind when 'm' then 'materialized view' else 'view' end, reader.oid::regclass, ours.name) as obstacle
    from ours
    join pg_catalog.pg_depend as depend on depend.refclassid = 'pg_class'::regclass and depend.refobjid = ours.oid and depend.classid = 'pg_rewrite'::regclass
    join pg_catalog.pg_rewrite as rule on rule.oid = depend.objid
    join pg_catalog.pg_class as reader on reader.oid = rule.ev_class
    where reader.oid not in (select oid from ours)
    union all
    select format('foreign key %I of %s refers to %s', conname, conrelid::regclass, ours.name)
    from ours join pg_catalog.pg_constraint on confrelid = ours.oid and conrelid not in (select oid from ours) and contype = 'f' and conparentid = 0
    union all
    select format('row security policy %I is on %s', polname, ours.name) from ours join pg_catalog.pg_policy on polrelid = ours.oid
    union all
    select format('publication %I publishes %s', pubname, ours.name)
    from ours
    join pg_catalog.pg_publication_rel as published on published.prrelid = ours.oid
    join pg_catalog.pg_publication as publication on publication.oid = published.prpubid
    order by 1
  `.execute(trx)
  return rows.map(({ obstacle }) => obstacle)
}
