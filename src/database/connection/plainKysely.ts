import type { Kysely } from 'kysely'

/**
 * The same connection without the caller's plugins and without its tables' types.
 *
 * A plugin such as camelCase would rename our columns; and with no tables to name, the compiler
 * sees to it that ours are named only through the scope.
 */
// `any` because the caller's database may be of any type: nothing of it is used.
export const plainKysely = (db: Kysely<any>): Kysely<{}> => db.withoutPlugins()
