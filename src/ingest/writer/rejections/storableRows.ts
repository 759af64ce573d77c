import { z } from 'zod'
import { resourceInput } from '../../../catalog/resources.ts'
import { parse } from '../../../schema/parse.ts'
import type { Flaw } from '../../../schema/text.ts'
import { plainWords } from '../../../schema/plainWords.ts'
import { windowMilliseconds, type IngestWindow, type Locator } from '../../rollups/windows/ingestWindow.ts'
import type { Rejections, WindowList } from './rejections.ts'
import { callChecks, locatorChecks, metricChecks, patternChecks, rowFlaw, sketchChecks, type Checks, type RowContext } from './rowFlaws.ts'

const list = <List extends WindowList>() => z.custom<IngestWindow[List]>((value) => Array.isArray(value), 'must be an array')

/** Rows are looked at one by one: one that is wrong does not stop the others. */
const windowShape = z
  .object({
    from: z.date().refine((from) => from.getTime() % windowMilliseconds === 0, 'must be at a multiple of five minutes'),
    to: z.date(),
    resources: list<'resources'>(),
    metrics: list<'metrics'>(),
    calls: list<'calls'>(),
    patterns: list<'patterns'>(),
    sketches: list<'sketches'>(),
    locators: list<'locators'>(),
  })
  .refine(({ from, to }) => to.getTime() - from.getTime() === windowMilliseconds, {
    path: ['to'],
    message: 'must be five minutes after from',
  })

/** @throws InvalidInputError naming what of it is not as {@link IngestWindow} says, rows apart. */
export const checkWindow = (window: IngestWindow): unknown => parse(windowShape, window, 'window')

/** The rows of a window that can be stored, as far as one knows before they are written. */
export interface StorableRows extends Omit<IngestWindow, 'locators'> {
  /** By their place among the window's. */
  locators: ReadonlyMap<number, Locator>
}

/**
 * The rows of a window without those that cannot be stored, and those whose resource cannot be.
 *
 * A row whose locator cannot be stored is written without it. Of two rows with one key the first
 * counts.
 */
export function storableRows(window: IngestWindow, rejections: Rejections, { thorough }: { thorough: boolean }): StorableRows {
  const resources = window.resources.filter((resource) => {
    const result = resourceInput.safeParse(resource, { error: plainWords })
    if (result.success) return true
    const { path, message } = result.error.issues[0]!
    rejections.add('resources', resource, { path, message })
    return false
  })
  const context: RowContext = {
    from: window.from,
    resources: new Set(resources.map(({ urn }) => urn)),
    locators: window.locators,
    thorough,
  }
  const isStorable = <R>(name: WindowList, row: R, checks: Checks<R>): boolean => {
    const flaw = rowFlaw(row, checks, context)
    if (flaw !== undefined) rejections.add(name, row, flaw)
    return flaw === undefined
  }
  const isFirst = <R>(name: WindowList, row: R, keys: Set<string>, key: string): boolean => {
    const { size } = keys
    if (keys.add(key).size > size) return true
    rejections.add(name, row, givenTwice)
    return false
  }
  const [callKeys, sketchKeys] = [new Set<string>(), new Set<string>()]
  return {
    from: window.from,
    to: window.to,
    resources,
    locators: new Map([...window.locators.entries()].filter(([, row]) => isStorable('locators', row, locatorChecks))),
    metrics: window.metrics.filter((row) => isStorable('metrics', row, metricChecks)),
    calls: window.calls.filter((row) => isStorable('calls', row, callChecks) && isFirst('calls', row, callKeys, `${row.from}\0${row.to}`)),
    patterns: window.patterns.filter((row) => isStorable('patterns', row, patternChecks)),
    sketches: window.sketches.filter(
      (row) => isStorable('sketches', row, sketchChecks) && isFirst('sketches', row, sketchKeys, `${row.resource}\0${row.dimension}`),
    ),
  }
}

/** Why the second of two rows of one series and minute, of one call, of one sketch is rejected. */
export const givenTwice: Flaw = { path: [], message: 'has the same key as a row before it' }

/** The rows without those of resources that the database refused. */
export function withResources(rows: StorableRows, known: ReadonlyMap<string, string>, rejections: Rejections): StorableRows {
  if (rows.resources.every(({ urn }) => known.has(urn))) return rows
  const kept = <R>(name: WindowList, field: keyof R & string, of: R[]): R[] =>
    of.filter((row) => {
      const has = known.has(row[field] as string)
      if (!has) rejections.add(name, row, { path: [field], message: 'is the URN of a resource that was rejected' })
      return has
    })
  return {
    ...rows,
    metrics: kept('metrics', 'resource', rows.metrics),
    calls: kept('calls', 'to', kept('calls', 'from', rows.calls)),
    patterns: kept('patterns', 'resource', rows.patterns),
    sketches: kept('sketches', 'resource', rows.sketches),
  }
}
