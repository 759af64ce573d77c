import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installedNames } from '../../../src/operate/installedSql.ts'
import { doctor, migrateUp } from '../../../src/operate/index.ts'
import { executedBy } from '../../../src/operate/rights/needs.ts'
import { freshDatabase, leg, onEveryLeg, type TestDatabase } from '../../support/leg.ts'
import { actingAs, closeWithRoles, createRole } from '../../support/role.ts'

/**
 * Rights of the owner where nothing else would do: each of these is here for a reason given in its
 * file.
 */
const definers = ['note_stale_buckets']

/** What changes something, so that no plan may leave it out or call it twice. */
const changing = [
  'call_graph_drop',
  'cypher_write',
  'graph_prepare',
  'graph_turn',
  'note_log_patterns',
  'note_metric_series',
  'note_stale_buckets',
]

interface Routine {
  name: string
  kind: 'f' | 'a' | 'p' | 'w'
  owner: string
  language: string
  settings: string[]
  definer: boolean
  volatile: boolean
  parallel: 'u' | 'r' | 's'
  body: string
  open: boolean
}

const ours = async (db: Kysely<{}>) =>
  (
    await sql<Routine>`
      select routine.proname as name, routine.prokind as kind, pg_get_userbyid(routine.proowner) as owner, language.lanname as language,
        coalesce(routine.proconfig, '{}') as settings, routine.prosecdef as definer, routine.provolatile = 'v' as volatile, routine.proparallel as parallel,
        routine.prosrc as body, has_function_privilege('public', routine.oid, 'execute') as open
      from pg_proc as routine
      join pg_language as language on language.oid = routine.prolang
      where routine.pronamespace = 'public'::regnamespace
        and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = routine.oid and deptype = 'e')
      order by 1
    `.execute(db)
  ).rows

onEveryLeg('every function that is installed', () => {
  let test: TestDatabase
  let routines: Routine[]
  beforeAll(async () => {
    test = await freshDatabase()
    routines = await ours(test.db)
  })
  afterAll(() => test.close())

  const named = (those: (routine: Routine) => boolean) => [...new Set(routines.filter(those).map(({ name }) => name))]

  it('is one that sql/ creates, and is granted to a role or kept for the owner', async () => {
    const created = await installedNames('function', 'procedure', 'aggregate')
    expect(created.filter((name) => !routines.some((routine) => routine.name === name && routine.kind !== 'p'))).toEqual(
      leg.age ? [] : created.filter((name) => /agtype|cypher|call_graph|graph_(edges|prepare|table|turn|vertices)/.test(name)),
    )
    expect(named(() => true).filter((name) => !created.includes(name))).toEqual([])
    expect(Object.keys(executedBy).sort()).toEqual(created)
  })

  it('is executed by nobody who was not granted it, like the type by nobody', async () => {
    expect(named(({ open }) => open)).toEqual([])
    const { rows } = await sql`
      select typname from pg_type where typnamespace = 'public'::regnamespace and typtype = 'd' and has_type_privilege('public', oid, 'usage')
    `.execute(test.db)
    expect(rows).toEqual([])
  })

  it('looks up names where nobody else can put any', () => {
    const path = /^search_path=(ag_catalog, )?pg_catalog, pg_temp$/
    expect(named(({ kind, settings }) => kind !== 'a' && !settings.some((setting) => path.test(setting)))).toEqual([])
    expect(named(({ kind, language }) => kind !== 'a' && !['plpgsql', 'sql'].includes(language))).toEqual([])
  })

  it("has its owner's rights only where it is listed, and the owner of the tables for its owner", async () => {
    expect(named(({ definer }) => definer)).toEqual(definers)
    const { rows } = await sql<{ owner: string }>`
      select pg_get_userbyid(relowner) as owner from pg_class where oid = 'public.pgvantage_installation'::regclass
    `.execute(test.db)
    expect(named(({ owner }) => owner !== rows[0]!.owner)).toEqual([])
  })

  it('says truly whether it changes anything, and runs in parallel only where it sets nothing', () => {
    expect(named(({ volatile }) => volatile)).toEqual(changing.filter((name) => leg.age || name.startsWith('note_')))
    expect(named(({ body, parallel }) => /set_config/.test(body) && parallel !== 'u')).toEqual([])
  })

  it('has no setting that its owner could not restore from a dump', async () => {
    const names = [...new Set(routines.flatMap(({ settings }) => settings.map((setting) => setting.split('=')[0]!)))]
    // One with a dot is an extension's, which only a superuser may give a function before the library is loaded.
    expect(names.filter((name) => name.includes('.'))).toEqual([])
    const { rows } = await sql<{
      name: string
    }>`select name from pg_settings where context = 'user' and name = any(${names}::text[])`.execute(test.db)
    expect(rows.map(({ name }) => name).sort()).toEqual(names.sort())
  })
})

onEveryLeg('an installation made before functions were closed', () => {
  let test: TestDatabase
  let stranger: string
  beforeAll(async () => {
    test = await freshDatabase()
    stranger = await createRole(test, 'stranger')
    await sql`grant create on schema public to ${sql.id(stranger)}`.execute(test.db)
    await sql`grant execute on all functions in schema public to public`.execute(test.db)
    await sql`alter function student_t_width(float8, float8, float8) reset search_path`.execute(test.db)
    await sql`grant execute on function exp_histogram_count(bytea) to ${sql.id(stranger)}`.execute(test.db)
  })
  afterAll(() => closeWithRoles(test, [stranger]))

  const errors = async () =>
    (await doctor(test.db)).findings.filter(
      ({ severity, code }) => severity !== 'info' && code !== 'age-cache' && code !== 'pgvector-vacuum',
    )

  it('is told of by the doctor, mended by `migrate up`, and keeps what roles were granted', async () => {
    const codes = (await errors()).map(({ code, severity }) => `${severity} ${code}`)
    expect(codes.sort()).toEqual([
      'error drift',
      'error open-functions',
      'error search-path',
      'warning open-functions',
      'warning schema-create',
    ])
    await migrateUp(test.db)
    expect((await errors()).map(({ code }) => code)).toEqual(['schema-create'])
    const { rows } = await sql<{ may: boolean; open: boolean }>`
      select has_function_privilege(${stranger}, 'exp_histogram_count(bytea)', 'execute') as may, has_function_privilege('public', 'exp_histogram_count(bytea)', 'execute') as open
    `.execute(test.db)
    expect(rows).toEqual([{ may: true, open: false }])
  })

  it('has the doctor name who else may create things beside ours', async () => {
    const of = async () => (await errors()).find(({ code }) => code === 'schema-create')
    expect(await of()).toMatchObject({ severity: 'warning', message: expect.stringContaining(stranger) })
    await sql`grant create on schema public to public`.execute(test.db)
    const { findings } = await doctor(test.db)
    expect(findings).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'schema-create', message: expect.stringContaining('anybody') }),
    )
    await sql`revoke create on schema public from public`.execute(test.db)
  })

  it('is not brought up over a function of somebody else', async () => {
    await actingAs(test, stranger, (db) => sql`create function public.ewma(x int4) returns int4 language sql return x`.execute(db))
    await expect(migrateUp(test.db)).rejects.toThrow(`routine ewma(integer) belongs to ${stranger}`)
    await sql`drop function public.ewma(int4)`.execute(test.db)
  })
})

onEveryLeg('what notes stale buckets', () => {
  let test: TestDatabase
  let stranger: string
  beforeAll(async () => {
    test = await freshDatabase()
    stranger = await createRole(test, 'stranger')
  })
  afterAll(() => closeWithRoles(test, [stranger]))

  /** A table whose column is cast by the stranger's own function, and the trigger on it. */
  const trap = async (db: Kysely<{}>) => {
    await sql`create type pg_temp.own as (x int4)`.execute(db)
    await sql`create temp table cast_by (who text)`.execute(db)
    await sql`
      create function pg_temp.told(pg_temp.own) returns timestamptz language plpgsql as $$ begin insert into pg_temp.cast_by values (current_user); return now(); end $$
    `.execute(db)
    await sql`create cast (pg_temp.own as timestamptz) with function pg_temp.told(pg_temp.own) as implicit`.execute(db)
    await sql`create temp table trapped (bucket pg_temp.own)`.execute(db)
    // It works: whoever casts runs it.
    await sql`select row(1)::pg_temp.own::timestamptz`.execute(db)
    expect((await sql`delete from cast_by returning who`.execute(db)).rows).toEqual([{ who: stranger }])
  }
  const hang = (db: Kysely<{}>, table: string) =>
    sql`
      create trigger theirs after insert on ${sql.id(table)} referencing new table as changed for each statement
      execute function public.note_stale_buckets('metric_1h', '1 hour')
    `.execute(db)

  it('is hung on no table by who was not granted it', async () => {
    await actingAs(test, stranger, (db) =>
      db.connection().execute(async (connection) => {
        await trap(connection)
        await expect(hang(connection, 'trapped')).rejects.toThrow(/permission denied for function (public\.)?note_stale_buckets/)
        await sql`drop table trapped, cast_by`.execute(connection)
        await sql`drop type pg_temp.own cascade`.execute(connection)
      }),
    )
  })

  it('does nothing on a table that is not ours, whoever hung it there', async () => {
    await sql`grant execute on function note_stale_buckets() to ${sql.id(stranger)}`.execute(test.db)
    await actingAs(test, stranger, (db) =>
      db.connection().execute(async (connection) => {
        await trap(connection)
        await hang(connection, 'trapped')
        await expect(sql`insert into trapped values (row(1)::pg_temp.own)`.execute(connection)).rejects.toThrow(
          'is not one that pgvantage made',
        )
        expect((await sql`select who from cast_by`.execute(connection)).rows).toEqual([])
        // A table of the right name is not ours either.
        await sql`create temp table metric_1m (bucket timestamptz)`.execute(connection)
        await hang(connection, 'metric_1m')
        await expect(sql`insert into pg_temp.metric_1m values (now())`.execute(connection)).rejects.toThrow(
          'is not one that pgvantage made',
        )
        await sql`drop table trapped, cast_by, pg_temp.metric_1m`.execute(connection)
        await sql`drop type pg_temp.own cascade`.execute(connection)
      }),
    )
    expect((await sql`select from pgvantage_stale_bucket`.execute(test.db)).rows).toEqual([])
  })

  it.skipIf(leg.name === 'community')('notes nothing but what the table is rolled into', async () => {
    for (const [table, args] of [
      ['metric_1m', `'metric_1d', '1 day'`],
      ['metric_1m', `'metric_1h', '1 second'`],
      ['metric_1m', ''],
      ['dim_tenant', `'metric_1h', '1 hour'`],
    ] as const) {
      const trigger = sql`create trigger theirs after insert on ${sql.id(table)} referencing new table as changed for each statement`
      await sql`${trigger} execute function note_stale_buckets(${sql.raw(args)})`.execute(test.db)
      const insert =
        table === 'metric_1m'
          ? sql`insert into metric_1m (bucket, tenant_id, resource_id, metric) select now(), 1, 1, 'm' where false`
          : sql`insert into dim_tenant (code, name) values ('t', 't')`
      await expect(insert.execute(test.db)).rejects.toThrow('is not one that pgvantage made')
      await sql`drop trigger theirs on ${sql.id(table)}`.execute(test.db)
    }
  })
})

describe.runIf(leg.available && leg.age)("a graph's name that somebody else has taken", () => {
  let test: TestDatabase
  let stranger: string
  beforeAll(async () => {
    test = await freshDatabase()
    stranger = await createRole(test, 'stranger')
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(test.db)
    await sql`grant create on database ${sql.id(rows[0]!.name)} to ${sql.id(stranger)}`.execute(test.db)
    await actingAs(test, stranger, async (db) => {
      await sql`create schema ops_7`.execute(db)
      await sql`create table ops_7."CALLS" (start_id int8, end_id int8, properties text)`.execute(db)
      await sql`create table ops_7."_ag_label_vertex" (id int8)`.execute(db)
      await sql`create view ops_7."Resource" as select 1 / 0 as id, '' as properties`.execute(db)
      await sql`grant usage on schema ops_7 to public`.execute(db)
      await sql`grant all on all tables in schema ops_7 to public`.execute(db)
    })
  })
  afterAll(() => closeWithRoles(test, [stranger]))

  it('is neither read, nor written, nor dropped', async () => {
    await expect(sql`select graph_prepare('ops_7')`.execute(test.db)).rejects.toThrow(`schema ops_7 belongs to ${stranger}`)
    for (const read of [`call_graph_edges('ops_7')`, `graph_edges('ops_7')`, `graph_vertices('ops_7')`]) {
      await expect(sql`select * from ${sql.raw(read)}`.execute(test.db)).rejects.toThrow(
        'is not a table of a role that may create graphs here',
      )
    }
    await sql`select call_graph_drop('ops_7')`.execute(test.db)
    const { rows } = await sql`select relname from pg_class where relnamespace = 'ops_7'::regnamespace order by 1`.execute(test.db)
    expect(rows).toHaveLength(3)
  })
})
