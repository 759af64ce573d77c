import type { Kysely } from 'kysely'
import { capabilities, type KnownExtension } from '../../database/capabilities.ts'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { findInCatalog, type Installation } from '../../database/installation/installation.ts'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { parseOptions } from '../../schema/parse.ts'
import { readCatalog, type Catalog, type CatalogTable, type CatalogView } from '../catalog.ts'
import { installedExtensions } from '../extensions.ts'
import { manifest } from '../manifest.ts'

/** One difference between what the migrations create and the actual schema. */
export interface Drift {
  kind: 'missing' | 'changed' | 'added'
  what: 'table' | 'view' | 'column' | 'constraint' | 'index' | 'trigger' | 'function' | 'domain' | 'default partition'
  /** `dim_resource.urn`, `metric_1m.idx_metric_key`, `exp_histogram_count(histogram bytea)`. */
  name: string
  /**
   * As the migrations create it; null for an added object. A hash for a function and for a view's
   * query.
   */
  expected: string | null
  /** As it is; null for a missing object. */
  actual: string | null
}

/**
 * The differences between the installed schema and the one that this library's migrations create;
 * an empty array if there is no difference.
 *
 * | | |
 * |---|---|
 * | compared | columns, constraints, indexes and triggers of our tables, and their partitioning by time; our views or continuous aggregates and the functions of `sql/`, each by a hash |
 * | listed as added | a column, constraint, index or trigger of our tables that we did not create |
 * | not compared | rights, comments, storage options, what extensions add to our tables, chunks and partitions, and everything else in the schema |
 *
 * @param options `schema` is only needed if the database has several installations.
 * @throws SchemaVersionError if the schema is missing, older or newer than this library works with.
 * @example
 * for (const { kind, what, name } of await schemaDrift(db)) console.log(kind, what, name)
 */
export async function schemaDrift(db: AnyKysely, options: { schema?: string } = {}): Promise<Drift[]> {
  const { schema } = parseOptions(schemaOption, options)
  const plain = plainKysely(db)
  return driftOf(plain, await findInCatalog(plain, schema))
}

/** The drift of an installation at this library's version. */
export async function driftOf(db: Kysely<{}>, installation: Installation): Promise<Drift[]> {
  const extensions = installedExtensions(await capabilities(db))
  return compare(expected(installation, extensions), await readCatalog(db, installation))
}

/** The manifest for one installation on a server with these extensions. */
export function expected(installation: Installation, extensions: readonly KnownExtension[]): Catalog {
  const present: ReadonlySet<string> = new Set(extensions)
  const { embeddingDimension: dimension, embeddingDistance: distance, embeddingType: type, timeRung } = installation
  const key =
    type === 'halfvec' || dimension <= 2000
      ? `embedding ${type}_${distance}_ops`
      : `((embedding)::halfvec(${dimension})) halfvec_${distance}_ops`
  const fill = (definitions: Record<string, string>) =>
    mapValues(definitions, (text) => text.replace('vector({dimension})', `${type}(${dimension})`).replace('{embedding key}', key))
  const continuous = timeRung === 'community'
  const here = (name: string) => !continuous || !manifest.insteadOfContinuousAggregates.includes(name)
  return {
    tables: Object.fromEntries(
      Object.entries(manifest.tables)
        .filter(([name]) => here(name))
        .map(([name, table]) => [
          name,
          {
            columns: fill(table.columns),
            constraints: table.constraints,
            indexes: fill(table.indexes),
            triggers: Object.fromEntries(Object.entries(table.triggers).filter(([trigger]) => here(`${name}.${trigger}`))),
            cutAlong: table.cutAlong,
            hasDefault: timeRung === 'native' ? table.hasDefault : null,
          },
        ]),
    ),
    views: continuous ? { ...manifest.views, ...manifest.continuousAggregates } : manifest.views,
    functions: Object.fromEntries(
      Object.entries(manifest.functions).flatMap(([name, { hash, requires }]) =>
        requires === null || present.has(requires) ? [[name, hash]] : [],
      ),
    ),
    domains: manifest.domains,
  }
}

/** The differences between two catalogs, for the objects in the first one. */
export function compare(wanted: Catalog, found: Catalog): Drift[] {
  return [
    ...Object.entries(wanted.tables).flatMap(([name, table]) => compareTable(name, table, found.tables[name])),
    ...Object.entries(wanted.views).flatMap(([name, view]) => compareView(name, view, found.views[name])),
    ...differences('domain', '', wanted.domains, found.domains, { added: false }),
    ...differences('function', '', wanted.functions, found.functions, { added: false }),
  ]
}

function compareTable(name: string, wanted: CatalogTable, found: CatalogTable | undefined): Drift[] {
  if (found === undefined) return [{ kind: 'missing', what: 'table', name, expected: shape(wanted), actual: null }]
  const drift: Drift[] = []
  if (found.cutAlong !== wanted.cutAlong) {
    drift.push({ kind: 'changed', what: 'table', name, expected: shape(wanted), actual: shape(found) })
  } else if (wanted.hasDefault === true && found.hasDefault !== true) {
    drift.push({
      kind: 'missing',
      what: 'default partition',
      name: `${name}_default`,
      expected: `partition of ${name} default`,
      actual: null,
    })
  }
  return [
    ...drift,
    ...differences('column', `${name}.`, wanted.columns, found.columns),
    ...differences('constraint', `${name}.`, wanted.constraints, found.constraints),
    ...differences('index', `${name}.`, wanted.indexes, found.indexes),
    ...differences('trigger', `${name}.`, wanted.triggers, found.triggers),
  ]
}

function compareView(name: string, wanted: CatalogView, found: CatalogView | undefined): Drift[] {
  if (found === undefined) return [{ kind: 'missing', what: 'view', name, expected: wanted.definition, actual: null }]
  return [
    ...differences('view', '', { [name]: wanted.definition }, { [name]: found.definition }),
    ...differences('column', `${name}.`, wanted.columns, found.columns),
    ...differences('index', `${name}.`, wanted.indexes, found.indexes),
  ]
}

const shape = ({ cutAlong }: CatalogTable) => (cutAlong === null ? 'a plain table' : `cut along ${cutAlong}`)

function differences(
  what: Drift['what'],
  prefix: string,
  wanted: Record<string, string>,
  found: Record<string, string>,
  { added = true } = {},
): Drift[] {
  const drift: Drift[] = []
  for (const [name, expected] of Object.entries(wanted)) {
    const actual = found[name] ?? null
    if (actual === null) drift.push({ kind: 'missing', what, name: prefix + name, expected, actual })
    else if (actual !== expected) drift.push({ kind: 'changed', what, name: prefix + name, expected, actual })
  }
  if (added) {
    for (const [name, actual] of Object.entries(found)) {
      if (!Object.hasOwn(wanted, name)) drift.push({ kind: 'added', what, name: prefix + name, expected: null, actual })
    }
  }
  return drift
}

const mapValues = <From, To>(record: Record<string, From>, change: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
