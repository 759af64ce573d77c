import { readdir, readFile } from 'node:fs/promises'
import { quoteIdentifier } from '../database/sql/identifier.ts'

const folder = new URL('../../sql/', import.meta.url)

/** A file of `sql/` may begin with this line; it is then installed only with the extension. */
const requires = /^-- requires: (\w+)$/m

/** A file with this line is needed by tables and views, so it also runs before the migrations. */
const before = /^-- before: migrations$/m

export interface SqlFile {
  name: string
  text: string
  /** The extension without which it is not installed. */
  requires: string | undefined
  before: boolean
}

/** The files of `sql/`, by name. */
export async function sqlFiles(): Promise<SqlFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, folder), 'utf8')
      return { name, text, requires: requires.exec(text)?.[1], before: before.test(text) }
    }),
  )
}

/**
 * The statements of `sql/`: functions and aggregates that are installed into the database, again on
 * every `migrate up`.
 *
 * `@extschema@` becomes the schema, as in PostgreSQL's own extension scripts. All of them run after
 * the migrations; before them only those that the migrations need.
 */
export async function installedSql(schema: string, extensions: ReadonlySet<string>, when: 'before' | 'after'): Promise<string[]> {
  const files = await sqlFiles()
  return files
    .filter((file) => (file.before || when === 'after') && (file.requires === undefined || extensions.has(file.requires)))
    .flatMap((file) => statements(file.text.replaceAll('@extschema@', () => quoteIdentifier(schema))))
}

/** The distinct names of the objects of these kinds in `sql/`. */
export async function installedNames(...kinds: ('function' | 'procedure' | 'aggregate' | 'domain')[]): Promise<string[]> {
  const text = (await sqlFiles()).map((file) => file.text).join('\n')
  const created = text.matchAll(/(?:create|replace) (\w+) @extschema@\.(\w+)/g)
  return [...new Set([...created].flatMap(([, kind, name]) => (kinds.some((wanted) => wanted === kind) ? [name!] : [])))].sort()
}

/**
 * Text in which a semicolon does not end a statement: dollar quotes, SQL bodies, strings, quoted
 * names and comments.
 */
const token = /begin atomic\b[\s\S]*?;\s*end\b|(\$\w*\$)[\s\S]*?\1|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|[\s\S]/g

/** Splits a script into statements without their semicolons: PGlite accepts one at a time. */
export function statements(script: string): string[] {
  const found: string[] = ['']
  for (const [text] of script.matchAll(token)) {
    if (text === ';') found.push('')
    else found[found.length - 1] += text
  }
  return found.map((statement) => statement.trim()).filter((statement) => statement.replaceAll(/--[^\n]*/g, '').trim() !== '')
}
