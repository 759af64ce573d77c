/**
 * A row as a Kysely with CamelCasePlugin returns it: `dst_urn` is `dstUrn`.
 *
 * The type of a read nested in such a Kysely has the column names of the database. Cast it to this
 * type.
 *
 * @example
 * const worst = slowestDependencies(scope, { service, range }).$castTo<CamelCased<SlowestDependency>>()
 * const rows = await camel.selectFrom(worst.as('worst')).select(['worst.dstUrn', 'worst.meanP95Ms']).execute()
 * // [{ dstUrn: 'urn:k8s:svc:shop/payment', meanP95Ms: 911.2 }]
 */
export type CamelCased<Row> = { [Name in keyof Row as Name extends string ? CamelName<Name> : Name]: Row[Name] }

type CamelName<Name extends string> = Name extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelName<Tail>>}` : Name
