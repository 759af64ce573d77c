import type { SelectQueryBuilder } from 'kysely'

/** A query of which only the row matters, whatever database type and tables it was built on. */
export type Frame<Row> = SelectQueryBuilder<any, any, Row>
