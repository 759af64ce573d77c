/** A feature of Cypher that Apache AGE lacks, or that pgvantage does not pass on to it. */
export interface MissingFeature {
  feature: string
  /** What to use instead, as the end of a sentence. */
  instead: string
}

const instant = 'pass a Date as a parameter (it becomes text in UTC), and declare the column timestamptz'
const shortest = 'use shortestPath or kShortestPaths of pgvantage on activeCalls(scope)'
const predicate = 'use a list comprehension and size(), or UNWIND and WHERE'

/**
 * Missing features that look like calls, by their name in upper case; no version of AGE up to 1.7
 * has them.
 */
export const missingFunctions: Readonly<Record<string, MissingFeature>> = {
  SHORTESTPATH: { feature: 'shortestPath()', instead: shortest },
  ALLSHORTESTPATHS: { feature: 'allShortestPaths()', instead: shortest },
  FOREACH: { feature: 'FOREACH', instead: 'use UNWIND and CREATE or SET' },
  REDUCE: { feature: 'reduce()', instead: 'use UNWIND and sum()' },
  ANY: { feature: 'any()', instead: predicate },
  ALL: { feature: 'all()', instead: predicate },
  NONE: { feature: 'none()', instead: predicate },
  SINGLE: { feature: 'single()', instead: predicate },
  DATE: { feature: 'date()', instead: instant },
  DATETIME: { feature: 'datetime()', instead: instant },
  LOCALDATETIME: { feature: 'localdatetime()', instead: instant },
  TIME: { feature: 'time()', instead: instant },
  LOCALTIME: { feature: 'localtime()', instead: instant },
  DURATION: { feature: 'duration()', instead: 'compute the time in TypeScript and pass it as a parameter' },
  POINT: { feature: 'point()', instead: 'pass the coordinates as a map' },
}

/** Missing features that begin with a word of their own, by that word in upper case. */
export const missingClauses: Readonly<Record<string, MissingFeature>> = {
  CALL: {
    feature: 'CALL',
    instead: 'AGE would call functions of the server, which a text may not: join the rows with a query of your own',
  },
  EXPLAIN: { feature: 'EXPLAIN', instead: 'explain the query that cypher() is part of' },
  PROFILE: { feature: 'PROFILE', instead: 'explain the query that cypher() is part of' },
  LOAD: { feature: 'LOAD CSV', instead: 'pass the rows as a parameter and UNWIND it' },
}

export const onCreateSet: MissingFeature = {
  feature: 'ON CREATE SET and ON MATCH SET',
  instead: 'MERGE alone, then SET n.first = coalesce(n.first, $now)',
}

export const severalLabels: MissingFeature = {
  feature: 'more than one label in a pattern',
  instead: "omit the label and compare label(n), as in WHERE label(n) IN ['A', 'B']",
}

export const unsafeMerge: MissingFeature = {
  feature: 'MERGE next to MATCH, UNWIND, WITH or another MERGE',
  instead: 'it writes duplicates, or edges that lead nowhere: MERGE one pattern alone, or mirror a frame with mirrorGraph',
}
