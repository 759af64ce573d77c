import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/*
 * Declaration files (`.d.ts`) as far as it takes to tell which names a user meets: TypeScript 7 has
 * no compiler API to ask.
 */

/** A name in a file. */
interface Place {
  file: string
  name: string
}

interface DeclarationFile {
  /** The tokens of each declaration, from its name on. */
  declared: Map<string, string[]>
  /** What a name of this file's stands for elsewhere. */
  imported: Map<string, Place>
  exported: Map<string, Place>
}

const token = /\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|[\w$]+|=>|\.\.\.|\S/g
const opening = new Set(['{', '(', '['])
const closing = new Set(['}', ')', ']'])

export const tokensOf = (text: string) => (text.match(token) ?? []).filter((found) => !found.startsWith('/*') && !found.startsWith('//'))
const isName = (found: string | undefined): found is string => found !== undefined && /^[A-Za-z_$]/.test(found)
const unquoted = (found: string | undefined) => /^(['"])(.*)\1$/.exec(found ?? '')?.[2]

/** Interfaces and classes end with their brace, all other statements with a semicolon. */
function statementsOf(tokens: string[]): string[][] {
  const statements: string[][] = []
  let current: string[] = []
  let depth = 0
  for (const found of tokens) {
    current.push(found)
    if (opening.has(found)) depth += 1
    if (closing.has(found)) depth -= 1
    const ends = found === ';' || (found === '}' && (current.includes('interface') || current.includes('class')))
    if (depth > 0 || !ends) continue
    statements.push(current)
    current = []
  }
  return statements
}

/** `{ a, type b as c }` as `[['a', 'a'], ['b', 'c']]`. */
const listed = (statement: string[]): [string, string][] =>
  statement
    .slice(statement.indexOf('{') + 1, statement.lastIndexOf('}'))
    .join(' ')
    .split(',')
    .map((item) =>
      item
        .trim()
        .replace(/^type /, '')
        .split(' as '),
    )
    .filter(([name]) => name !== '')
    .map(([name, as]) => [name!, as ?? name!])

/** Where `./a.ts`, written in a declaration file, is declared; undefined for another package. */
const declaredIn = (file: string, path: string | undefined) =>
  path?.startsWith('.') ? join(dirname(file), path.replace(/\.[jt]s$/, '.d.ts')) : undefined

async function read(file: string): Promise<DeclarationFile> {
  const declared: DeclarationFile['declared'] = new Map()
  const imported: DeclarationFile['imported'] = new Map()
  const exported: DeclarationFile['exported'] = new Map()
  for (const statement of statementsOf(tokensOf(await readFile(file, 'utf8')))) {
    const [first, second] = statement.filter((found) => found !== 'type')
    const path = declaredIn(file, unquoted(statement.at(-2)))
    if (first === 'import' || (first === 'export' && second === '{')) {
      for (const [name, as] of listed(statement)) {
        const place = path === undefined ? imported.get(name) : { file: path, name }
        if (place !== undefined) (first === 'import' ? imported : exported).set(as, place)
      }
    } else if (first === 'export' && second === '*') {
      for (const [name, place] of (await declarations(path!)).exported) exported.set(name, place)
    } else {
      const kind = statement.findIndex((found) => ['interface', 'type', 'class', 'function', 'const'].includes(found))
      const name = statement[kind + 1]!
      declared.set(name, [...(declared.get(name) ?? []), ...statement.slice(kind + 1)])
      if (first === 'export') exported.set(name, { file, name })
    }
  }
  return { declared, imported, exported }
}

const files = new Map<string, Promise<DeclarationFile>>()

function declarations(file: string): Promise<DeclarationFile> {
  const reading = files.get(file) ?? read(file)
  files.set(file, reading)
  return reading
}

/** The braces that destructure a parameter: what they hold is nobody's property. */
function destructured(tokens: string[]): boolean[] {
  const braces: number[] = []
  const inside = tokens.map(() => false)
  tokens.forEach((found, at) => {
    if (found === '{') braces.push(at)
    if (found !== '}') return
    const start = braces.pop()!
    if (/^[(,]$/.test(tokens[start - 1]!) && /^[:?]$/.test(tokens[at + 1] ?? '')) inside.fill(true, start, at + 1)
  })
  return inside
}

/** The properties that a declaration's own text has, and the other names it speaks of. */
export function namesIn(tokens: string[]): { properties: string[]; others: string[] } {
  const apart = destructured(tokens)
  const hidden = new Set(['private', 'static', 'constructor'])
  const properties: string[] = []
  const others: string[] = []
  /** Whether each brace or bracket around this place is a brace. */
  const around: boolean[] = []
  let start = false
  tokens.forEach((found, at) => {
    if (opening.has(found)) around.push(found === '{')
    if (closing.has(found)) around.pop()
    const next = tokens[at + 1] ?? ''
    const name = unquoted(found) ?? found
    const labels = /^[:?]$/.test(next)
    if (start && found === 'readonly' && !labels) return
    if (start && hidden.has(found)) start = false
    else if (start && !apart[at] && /^[:?(<]$/.test(next) && isName(name)) properties.push(name)
    else if (isName(found) && !(labels && /^([{(,;]|\.\.\.)$/.test(tokens[at - 1] ?? ''))) others.push(found)
    start = (found === '{' || found === ';') && around.at(-1) === true
  })
  return { properties, others }
}

/** Not of our making: the columns of the tables are the schema's, the fields of a request OTLP's. */
const foreign = /\/schema\/(?:tables|otlp)\.d\.ts$/

/**
 * The properties that a user of these entries meets, each with the exports that have it, themselves
 * or in what they are made of and is not exported.
 *
 * @param entryFiles the declaration files of the entries.
 */
export async function publicProperties(entryFiles: readonly string[]): Promise<Map<string, Set<string>>> {
  const properties = new Map<string, Set<string>>()
  const seen = new Set<string>()
  const waiting: (Place & { export: string })[] = []
  for (const entry of entryFiles) {
    for (const [name, place] of (await declarations(entry)).exported) waiting.push({ ...place, export: name })
  }
  const exports = new Set(waiting.map(({ name }) => name))
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { file, name } = next
    const owner = exports.has(name) ? name : next.export
    const key = `${file} ${name} ${owner}`
    if (seen.has(key) || foreign.test(file)) continue
    seen.add(key)
    const { declared, imported, exported } = await declarations(file)
    const tokens = declared.get(name)
    const passedOn = exported.get(name)
    if (tokens === undefined) {
      if (passedOn === undefined) throw new Error(`${file} declares no ${name}`)
      waiting.push({ ...passedOn, export: owner })
      continue
    }
    const found = namesIn(tokens)
    for (const property of found.properties) properties.set(property, (properties.get(property) ?? new Set()).add(owner))
    for (const other of found.others) {
      const place = imported.get(other) ?? (declared.has(other) ? { file, name: other } : undefined)
      if (place !== undefined) waiting.push({ ...place, export: owner })
    }
    // import('./a.ts').Name
    tokens.forEach((word, at) => {
      const path = word === 'import' ? declaredIn(file, unquoted(tokens[at + 2])) : undefined
      if (path !== undefined) waiting.push({ file: path, name: tokens[at + 5]!, export: owner })
    })
  }
  return properties
}
