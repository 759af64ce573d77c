/** A name as a quoted PostgreSQL identifier, which no character in it can end. */
export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A text as a PostgreSQL string literal, for the few statements without parameters (DDL). */
export const quoteLiteral = (text: string): string =>
  `${text.includes('\\') ? 'E' : ''}'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
