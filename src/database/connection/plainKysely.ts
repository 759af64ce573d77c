import type { Kysely } from 'kysely'

/**
 * Any Kysely instance, transaction or controlled transaction, with any database type and plugins.
 */
// `any` because nothing of the caller's database type is used, and because a type parameter in its
// place is inferred wrongly from a Transaction by TypeScript below 7.
export type AnyKysely = Kysely<any>

/**
 * The same connection without the caller's plugins and table types.
 *
 * A plugin such as camelCase would rename our columns. Without table types the compiler ensures
 * that our tables are only named through the scope.
 */
export const plainKysely = (db: AnyKysely): Kysely<{}> => db.withoutPlugins()
