/** A result as `--json` prints it: one JSON document, ended by a newline. */
export const document = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
