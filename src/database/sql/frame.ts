import type { SelectQueryBuilder } from 'kysely'

/** A query of which only the row type matters, built on any database type and tables. */
export type Frame<Row> = SelectQueryBuilder<any, any, Row>
