import { describe, expect, it } from 'vitest'
import type { RightsFacts } from '../../../src/operate/rights/facts.ts'
import { grantsOf } from '../../../src/operate/rights/grants.ts'
import { executedBy, needsOf, roles, type Role } from '../../../src/operate/rights/needs.ts'
import { rightsFindings } from '../../../src/operate/rights/roleStates.ts'
import { installedNames } from '../../../src/operate/installedSql.ts'

const facts: RightsFacts = {
  versionNumber: 170_000,
  database: { oid: 1, name: 'app', owner: 'dba' },
  extensionSchemas: [{ oid: 2, name: 'extensions', owner: 'dba' }],
  age: { oid: 3, owner: 'postgres', tables: [{ oid: 4, name: 'ag_catalog.ag_graph' }] },
  place: null,
  installed: {
    schema: { oid: 5, name: '"My Schema"', owner: 'app' },
    owner: 'app',
    quotedOwner: 'app',
    ownerOid: 6,
    ownerIsSuperuser: false,
    relations: [
      { oid: 7, name: '"My Schema".dim_tenant', bare: 'dim_tenant' },
      { oid: 8, name: '"My Schema".kb_chunk', bare: 'kb_chunk' },
      { oid: 9, name: '"My Schema".metric_1h', bare: 'metric_1h' },
    ],
    routines: [
      { oid: 10, signature: '"My Schema".ewma(double precision,double precision)', bare: 'ewma' },
      { oid: 11, signature: '"My Schema".graph_prepare(text,text)', bare: 'graph_prepare' },
      { oid: 12, signature: '"My Schema".note_stale_buckets()', bare: 'note_stale_buckets' },
    ],
    graphs: [{ oid: 13, name: 'ops_1', owner: 'graphs' }],
  },
}

const script = (role: Role, given = facts) => grantsOf(needsOf(role, given), 'it"s me').map(({ statement, as }) => `${as}: ${statement}`)

describe('what a role is granted', () => {
  it('as a reader', () => {
    expect(script('reader')).toEqual([
      'dba: grant connect on database app to "it""s me"',
      'dba: grant usage on schema extensions to "it""s me"',
      'app: grant usage on schema "My Schema" to "it""s me"',
      'app: grant select on "My Schema".dim_tenant, "My Schema".kb_chunk, "My Schema".metric_1h to "it""s me"',
      'app: grant execute on function "My Schema".ewma(double precision,double precision) to "it""s me"',
      'postgres: grant usage on schema ag_catalog to "it""s me"',
      'postgres: grant select on ag_catalog.ag_graph to "it""s me"',
      'graphs: grant usage on schema ops_1 to "it""s me"',
      'graphs: grant select on all tables in schema ops_1 to "it""s me"',
    ])
  })

  it('as a writer, of each thing all its rights at once', () => {
    expect(script('writer').filter((statement) => !script('reader').includes(statement))).toEqual([
      'dba: grant connect, temporary on database app to "it""s me"',
      'app: grant select, insert, update on "My Schema".dim_tenant to "it""s me"',
      'app: grant select, insert, update, delete on "My Schema".kb_chunk to "it""s me"',
      'app: grant select on "My Schema".metric_1h to "it""s me"',
    ])
  })

  it('as a refresher, and nothing where there is no Apache AGE', () => {
    expect(script('refresher').filter((statement) => !script('reader').includes(statement))).toEqual([
      'dba: grant connect, create on database app to "it""s me"',
      'app: grant execute on function "My Schema".ewma(double precision,double precision), "My Schema".graph_prepare(text,text) to "it""s me"',
    ])
    expect(script('refresher', { ...facts, age: null })).toEqual([])
  })

  it('as a maintainer, who acts as the owner', () => {
    const connect = 'dba: grant connect on database app to "it""s me"'
    expect(script('maintainer')).toEqual([connect, 'null: grant app to "it""s me" with inherit true, set true'])
    expect(script('maintainer', { ...facts, versionNumber: 150_004 })).toEqual([connect, 'null: grant app to "it""s me"'])
  })

  it('as the owner to be, before anything is installed', () => {
    const place = { oid: 14, name: 'public', owner: 'dba' }
    expect(script('owner', { ...facts, installed: null, place })).toEqual([
      'dba: grant connect, create, temporary on database app to "it""s me"',
      'dba: grant usage on schema extensions to "it""s me"',
      'postgres: grant usage on schema ag_catalog to "it""s me"',
      'postgres: grant select on ag_catalog.ag_graph to "it""s me"',
      'dba: grant usage, create on schema public to "it""s me"',
    ])
  })

  it('is decided for every function of sql/', async () => {
    expect(Object.keys(executedBy)).toEqual(await installedNames('function', 'procedure', 'aggregate'))
  })
})

describe('what the doctor makes of what a role lacks', () => {
  const many = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

  it('is nothing where it lacks nothing', () => {
    expect(rightsFindings(roles.map((role) => ({ role, lacking: [] })))).toEqual([])
  })

  it('is an error only where it cannot even read', () => {
    const findings = rightsFindings([
      { role: 'reader', lacking: many },
      { role: 'writer', lacking: [...many, 'h'] },
    ])
    expect(findings).toMatchObject([
      { severity: 'error', code: 'rights', message: 'this role is not even a reader: it lacks a, b, c, d, e and 2 more' },
    ])
  })

  it('says what it can be, and for the rest what it lacks', () => {
    const findings = rightsFindings([
      { role: 'reader', lacking: [] },
      { role: 'writer', lacking: ['insert on t'] },
    ])
    expect(findings).toMatchObject([{ severity: 'info', message: 'this role can be reader; for writer it lacks insert on t' }])
  })
})
