import { describe, expect, it } from 'vitest'
import { checkCypher } from '../../../src/graph/cypher/checkCypher.ts'
import { cypher } from '../../../src/graph/cypher/cypher.ts'
import { cypherText } from '../../../src/graph/cypher/cypherText.ts'
import { cypherTokens } from '../../../src/graph/cypher/cypherTokens.ts'
import { explainCypherError } from '../../../src/graph/cypher/explainCypherError.ts'
import { InvalidInputError, MissingCapabilityError, NotFoundError, VantageError } from '../../../src/schema/errors.ts'
import { compiled } from '../../support/compiled.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const read = (text: string, params = {}) => cypher(scope, { columns: { value: 'text' } }, text, params)

describe('the SQL of cypher', () => {
  it('is one function with the columns that are declared, and every value a parameter', () => {
    const query = cypher(
      unitScope({ installation: { schema: 'obs' } }),
      { columns: { urn: 'text', calls: 'int8', 'a"b': 'vertex', way: 'path', raw: 'agtype', at: 'timestamptz' } },
      'MATCH p = (a)-[c]->() WHERE c.rps > $min RETURN a.urn, count(c), a, p, $list, $at',
      { min: 3, list: ['x', null], at: new Date(0) },
    )
    const { sql, parameters } = compiled(query.where('calls', '>', '2'))
    expect(sql).toBe(
      'select "found".* from "obs"."cypher_read"($1, $2, $3, $4::text[], $5, $6) ' +
        'as "found" ("urn" text, "calls" int8, "a""b" jsonb, "way" jsonb, "raw" text, "at" timestamptz) where "calls" > $7',
    )
    expect(parameters).toEqual([
      'ops_1',
      'MATCH p = (a)-[c]->() WHERE c.rps > $min RETURN a.urn, count(c), a, p, $list, $at',
      '{"min": 3, "list": ["x", null], "at": "1970-01-01T00:00:00.000Z"}',
      ['text', 'int8', 'vertex', 'path', 'agtype', 'timestamptz'],
      '',
      '',
      '2',
    ])
  })

  it('is another function for a text that writes, and has no map without parameters', () => {
    const { sql, parameters } = compiled(cypher(scope, { columns: { n: 'int4' }, write: true }, 'CREATE (n:Note) RETURN 1'))
    expect(sql).toContain('from "public"."cypher_write"($1, $2, $3, $4::text[], $5, $6)')
    expect(parameters[2]).toBe(null)
  })

  it('joins and nests', () => {
    const { sql } = compiled(
      scope.db
        .selectFrom(read('RETURN 1').as('c'))
        .innerJoin(scope.table('dim_resource', 'r'), 'r.urn', 'c.value')
        .select(['r.name', 'c.value']),
    )
    expect(sql).toMatch(
      /^select "r"\."name", "c"\."value" from \(select "found"\.\* from .*\) as "c" inner join "public"\."dim_resource" as "r"/,
    )
  })
})

describe('cypher refuses', () => {
  it.each([
    [{ columns: {} }, /^columns: must declare at least one column/],
    [{ columns: { a: 'varchar' } }, /^columns\.a: /],
    [{ columns: { '': 'text' } }, /^columns/],
    [{ columns: { '1': 'text' } }, /^columns.*must not be a number/],
    [{ columns: { ['x'.repeat(64)]: 'text' } }, /^columns/],
    [{ columns: { a: 'text' }, graph: 'ops_2' }, /^options: has no key "graph"/],
    [{ columns: { a: 'text' }, write: 'yes' }, /^write: /],
    [{}, /^columns: /],
  ])('the options %j', (options, message) => {
    expect(() => cypher(scope, options as { columns: { a: 'text' } }, 'RETURN 1')).toThrow(message)
  })

  it.each([
    ['RETURN $a', {}, /^params: lacks a, which the text uses$/],
    ['RETURN $a, $b', { a: 1 }, /^params: lacks b,/],
    ['RETURN $toString', {}, /^params: lacks toString,/],
    ['RETURN 1', { a: 1 }, /^params: has "a", which the text does not use$/],
    ["RETURN '$a' /* $a */ // $a", { a: 1 }, /^params: has "a"/],
    ['RETURN $a', { a: undefined }, /^params\.a: must be null, .*, got undefined$/],
    ['RETURN $a', null, /^params: /],
    ['RETURN $a', [1], /^params: /],
  ])('%s with %j', (text, params, message) => {
    expect(() => read(text, params as object)).toThrow(message)
  })

  it('what there is no AGE for', () => {
    const without = unitScope({ extensions: new Set() })
    expect(() => cypher(without, { columns: { n: 'int4' } }, 'RETURN 1')).toThrow(MissingCapabilityError)
  })
})

describe('checkCypher', () => {
  const check = (text: string, write = false) => checkCypher(text, { write })

  it.each([
    'MATCH (n:Resource {urn: $urn}) RETURN n',
    'MATCH (a)-[c:CALLS*1..3]->(b) WHERE a.urn IN $urns AND NOT (a = b) RETURN DISTINCT b ORDER BY b.urn SKIP 1 LIMIT 2',
    'OPTIONAL MATCH (n) WITH n, count(*) AS c WHERE c > 0 OR (c < 3) RETURN n, c',
    'MATCH (n) WHERE EXISTS((n)-[:CALLS]->()) AND exists(n.set) RETURN n.match, n.create, {merge: 1, set: n.delete}',
    'MATCH (n:Set)-[:MERGE]->(:Create) RETURN n',
    'RETURN \'CREATE (n)\', "x\\"; SET", `DELETE` // MERGE (n)',
    'UNWIND [1, 2] AS x RETURN CASE WHEN (x = 1) THEN (1) ELSE (2) END, coalesce(x, 2)',
    'RETURN toUpper($a) STARTS WITH ($b), sum(1), COUNT(DISTINCT 1), left($a, 2), startNode($e), endNode($e), percentileCont(1, 2)',
    'RETURN $a::int, $a::FLOAT, $a::numeric, [1, 2, 3][0..2], $m.a[1].b, 1.5e3, .5, 0x1F, a <> b, a =~ b',
    'RETURN 1 UNION ALL RETURN 2',
    'MATCH (n) RETURN [x IN $list WHERE x > 1 | x * 2], n {.urn}',
    'RETURN load, profile, foreach',
  ])('lets through: %s', (text) => {
    expect(() => check(text)).not.toThrow()
  })

  it.each([
    'CREATE (n)',
    'MATCH (n) SET n.x = 1',
    'MATCH (n) REMOVE n.x',
    'MATCH (n) DELETE n',
    'MATCH (n) DETACH DELETE n',
    'MERGE (n)',
    'RETURN 1.SET',
    'MATCH (n) WHERE n.a = 1.\nset n.x = 1',
  ])('refuses without write what changes the graph: %s', (text) => {
    expect(() => check(text)).toThrow(
      /^text: has (CREATE|SET|REMOVE|DELETE|DETACH|MERGE), which changes the graph: give \{ write: true \} to allow it/,
    )
    expect(() => check(text, true)).not.toThrow()
  })

  it.each([
    ['RETURN pg_catalog.version()', /^text: calls a function by its schema, which is not allowed: "pg_catalog\.version"/],
    ['RETURN pg_catalog . /* ( */ `version` // .\n ()', /calls a function by its schema/],
    ['RETURN all.version()', /calls a function by its schema/],
    ['RETURN version()', /^text: calls "version", which is not a Cypher function of AGE/],
    ['RETURN `abs`(1)', /calls "`abs`"/],
    ['RETURN `match`(1)', /calls "`match`"/],
    ["RETURN startnode('ops_2', e)", /^text: must write startnode as startNode or endNode/],
    ["RETURN ENDNODE('ops_2', e)", /must write ENDNODE/],
    ["RETURN vertex_stats('ops_2', n)", /calls "vertex_stats"/],
    ["RETURN vle('ops_2')", /calls "vle"/],
    ['RETURN graph_stats($g)', /calls "graph_stats"/],
    ['RETURN delete_global_graphs(null)', /calls "delete_global_graphs"/],
    ["RETURN load_labels_from_file('a', 'b', 'c')", /calls "load_labels_from_file"/],
    ['RETURN ſet(1)', /calls "ſet"/],
    ['RETURN ƒ(1)', /calls "ƒ"/],
    ["RETURN 'a'::regclass", /^text: casts to "regclass"; what it may cast to is bool, /],
    ["RETURN 'a'::`int`", /casts to "`int`"/],
    ["RETURN 'a'::int.x", /casts to "int"/],
    ['RETURN 1; RETURN 2', /^text: must be one query without a semicolon, but has one at position 8/],
    ['RETURN 1 $pgvantage_cypher$', /^text: must not hold \$pgvantage_cypher\$/],
    ['RETURN $1', /has a character that begins nothing in Cypher at position 7/],
    ['RETURN \\', /has a character that begins nothing/],
    ["RETURN 'a", /has a string or a quoted name that does not end at position 7/],
    ["RETURN 'a\\'", /does not end/],
    ['RETURN `a', /does not end/],
    ['RETURN ``', /does not end/],
    ['RETURN \u0000', /must not contain the NUL character/],
    ['\ud800', /well-formed/],
    ['', /must not be empty/],
    ['x'.repeat(100_001), /at most 100000 bytes/],
  ])('refuses %s', (text, message) => {
    expect(() => check(text, true)).toThrow(InvalidInputError)
    expect(() => check(text, true)).toThrow(message)
  })

  it.each([
    ['MATCH p = shortestPath((a)-[*]->(b)) RETURN p', /shortestPath\(\): use shortestPath or kShortestPaths/],
    ['MATCH p = allShortestPaths((a)-[*]->(b)) RETURN p', /allShortestPaths/],
    ['FOREACH (x IN [1] | CREATE (:A))', /FOREACH: use UNWIND/],
    ['MERGE (n:A {id: 1}) ON CREATE SET n.first = 1', /ON CREATE SET .*: MERGE alone, then SET/],
    ['MERGE (n:A {id: 1}) on match set n.last = 1', /ON MATCH SET/],
    ['CALL db.labels() YIELD label RETURN label', /CALL/],
    ['CALL { RETURN 1 } RETURN 1', /CALL/],
    ["LOAD CSV FROM 'x' AS row RETURN row", /LOAD CSV/],
    ['EXPLAIN MATCH (n) RETURN n', /EXPLAIN: explain the query/],
    ['PROFILE MATCH (n) RETURN n', /PROFILE/],
    ['RETURN reduce(s = 0, x IN [1] | s + x)', /reduce\(\)/],
    ['RETURN any(x IN [1] WHERE x > 0)', /any\(\)/],
    ['RETURN ALL (x IN [1] WHERE x > 0)', /all\(\)/],
    ['RETURN datetime()', /datetime\(\): pass a Date as a parameter/],
    ['MATCH (n:A|B) RETURN n', /more than one label/],
    ['MATCH (n:A:B) RETURN n', /more than one label/],
    ['MATCH (a), (b) MERGE (a)-[:X]->(b)', /MERGE next to MATCH.*mirrorGraph/],
    ['UNWIND $rows AS row MERGE (:A {id: row.id})', /MERGE next to/],
    ['MERGE (a:A) MERGE (b:B)', /MERGE next to/],
  ])('says what AGE has not: %s', (text, message) => {
    expect(() => check(text, true)).toThrow(MissingCapabilityError)
    expect(() => check(text, true)).toThrow(message)
  })

  it('names the parameters, and what only newer versions know', () => {
    expect(check('MATCH (n {a: $a}) WHERE n.b = $b_1 AND n.c = $a RETURN "$no", `$no`')).toEqual({
      parameters: new Set(['a', 'b_1']),
      newer: '',
      wide: '',
    })
    expect(check('MATCH (n) WHERE EXISTS { (n)-->() } RETURN n {.a}').newer).toBe(
      'EXISTS { ... }, which needs 1.6 and map projections, which need 1.6',
    )
    expect(check('RETURN [x IN $l WHERE x > 1 | x], COUNT { (a)-->() }').newer).toContain('COUNT { ... }')
    expect(check('RETURN Left($a, 1), left($b, 1), startNode($e), n.left, trim($a)').wide).toBe('Left, left, startNode')
  })
})

describe('cypherTokens', () => {
  const texts = (text: string) => cypherTokens(text).map(({ kind, text }) => `${kind} ${text}`)

  it.each([
    ['1..3', ['number 1', 'sign ..', 'number 3']],
    ['1.SET', ['number 1.', 'name SET']],
    ['.5 1.e5 0xFF 1.5E-3', ['number .5', 'number 1.e5', 'number 0xFF', 'number 1.5E-3']],
    ['a.b$c$d', ['name a', 'sign .', 'name b$c$d']],
    ['$a$b', ['parameter a$b']],
    ['a//b\n/c', ['name a', 'sign /', 'name c']],
    ['a/*b*/c/**/d/***/e', ['name a', 'name c', 'name d', 'name e']],
    ['`a``b`', ['quoted `a``b`']],
    ["'a\\'b' \"c'd\"", ["string 'a\\'b'", 'string "c\'d"']],
    ['naïve 变量 🦊', ['name naïve', 'name 变量', 'name 🦊']],
    ['a\u00a0b', ['name a\u00a0b']],
    ['a::int <> b', ['name a', 'sign ::', 'name int', 'sign <>', 'name b']],
  ])('cuts %s as AGE does', (text, expected) => {
    expect(texts(text)).toEqual(expected)
  })
})

describe('cypherText', () => {
  it('inlines labels and bounds of hops', () => {
    expect(cypherText`MATCH (a:${'Resource'})-[:${'CALLS'}*${1}..${3}]->(b) RETURN b`).toBe(
      'MATCH (a:`Resource`)-[:`CALLS`*1..3]->(b) RETURN b',
    )
    expect(cypherText`RETURN 1`).toBe('RETURN 1')
  })

  it('inlines nothing else, nor anywhere else', () => {
    const label = 'A`) DETACH DELETE n //'
    expect(() => cypherText`MATCH (n:${label}) RETURN n`).toThrow(/^values\[0\]: must be a label: .*, got "A`\)/)
    expect(() => cypherText`MATCH (n:${'A'}) WHERE n.urn = ${'x'} RETURN n`).toThrow(/^values\[1\]: must be a parameter: only a label/)
    expect(() => cypherText`MATCH (n) WHERE n.a = ${3} RETURN n`).toThrow(/^values\[0\]: must be a parameter: only a bound of hops/)
    expect(() => cypherText`RETURN 1::${'int'}`).toThrow(/^values\[0\]: must be a parameter/)
    for (const hops of [-1, 1.5, 101, NaN, Infinity])
      expect(() => cypherText`MATCH ()-[*..${hops}]->() RETURN 1`).toThrow(/^values\[0\]: must be an integer/)
    for (const bad of ['', '1', 'a b', '_x', 'x'.repeat(49)])
      expect(() => cypherText`MATCH (:${bad}) RETURN 1`).toThrow(/^values\[0\]: must be a label/)
  })
})

describe('explainCypherError', () => {
  const driver = (code: string, message: string) => Object.assign(new Error(message), { code })

  it.each([
    ['42601', 'Apache AGE 1.5.0 does not understand the text: syntax error at end of input', InvalidInputError],
    ['42804', 'a column is declared as map and holds 1', InvalidInputError],
    ['42804', 'the text returns another number of columns than are declared', InvalidInputError],
    ['0A000', 'Apache AGE 1.5.0 does not know EXISTS { ... }, which needs 1.6: syntax error', MissingCapabilityError],
    ['3F000', 'graph ops_1 does not exist: this tenant', NotFoundError],
    ['XX000', 'label cache corrupted', VantageError],
  ])('%s %s', (code, message, type) => {
    const error = driver(code, message)
    expect(explainCypherError(error)).toBeInstanceOf(type)
    expect(explainCypherError(error)).toMatchObject({ cause: error })
  })

  it('leaves the rest as it is', () => {
    for (const error of [
      driver('57014', 'canceling statement due to statement timeout'),
      driver('42804', 'argument of AND'),
      'text',
      undefined,
    ]) {
      expect(explainCypherError(error)).toBe(error)
    }
  })
})
