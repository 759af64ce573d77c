/** A name as PostgreSQL's identifier, quoted, so that whatever it holds it stays one name. */
export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A text as PostgreSQL's string literal, for the few statements that take no parameters (DDL). */
export const quoteLiteral = (text: string): string =>
  `${text.includes('\\') ? 'E' : ''}'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
