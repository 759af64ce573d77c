import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { terms, termLanguage } from '../../../src/knowledge/terms.ts'

/** The terms in order, one that occurs several times with how often. */
const list = (text: string, language?: Parameters<typeof terms>[1]) =>
  terms(text, language)
    .map(({ term, frequency }) => (frequency === 1 ? term : `${term}*${frequency}`))
    .join(' ')

/** The text where each term first occurs, as PostgreSQL's `substr` would cut it out. */
const surfaces = (text: string) => {
  const characters = Array.from(text)
  return terms(text).map(({ term, at, width }) => [term, characters.slice(at, at + width).join('')])
}

describe('terms', () => {
  it.each([
    ['', ''],
    [' \t\n\0 -- ... ://', ''],
    ['The payments FAILED, and payments fail', 'the payment*2 fail*2 and'],
    ['generously, consistency; skies', 'generous consist sky'],
    ["Smith's Smith’s dogs' don't don’t rock'n'roll 'quoted'", 'smith*2 dog dont*2 rocknrol quot'],
    ['café cafés naïve Ünïcode Łódź', 'cafe*2 naiv unicod łodz'],
    ['ﬁle ＡＢＣ Å', 'file abc a'],
    ["it’ſ'Za Smith's'Za", 'itsza it za*2 smithsza smith'],
    ['pay\u00adment x\u200dy', 'payment xy'],
    // Identifiers.
    ['http.server.request.duration', 'httpserverrequestdur http server request durat'],
    ['error_code error-code errorCode ErrorCode errorcode', 'errorcod*5 error*4 code*4'],
    ['NullPointerException', 'nullpointerexcept null pointer except'],
    ['HTTPServer getURLs parseHTTP2Response', 'httpserver http server geturl get url parsehttp2response pars http2 respons'],
    ['iPhone GitHub IDs JVMs', 'iphon phone github git hub id jvms'],
    ['payment-svc-7d9f', 'paymentsvc7d9f payment svc 7d9f'],
    ['com.example.OrderService', 'comexampleorderservic com exampl orderservic order servic'],
    ['std::vector $JAVA_HOME Foo$Bar', 'stdvector std vector javahom java home foobar foo bar'],
    ['/var/log/app.log', 'varlogapplog var log*2 applog app'],
    ['C:\\Temp\\x.txt', 'ctempxtxt c temp xtxt x txt'],
    ['shop/cart-7d9f', 'shopcart7d9f shop cart7d9f cart 7d9f'],
    ['https://example.org/a', 'httpsexampleorga https exampleorg exampl org a'],
    ['ann.smith@example.org', 'annsmithexampleorg annsmith ann smith exampleorg exampl org'],
    ['--flag key=value a...b x----y', 'flag key valu a b x y'],
    // Codes, numbers, versions.
    ['ORA-00942 HTTP/503 0x80070005', 'ora00942 ora 00942 http503 http 503 0x80070005'],
    ['COVID-19 COVID19 covid 19', 'covid19*2 covid*3 19*3'],
    ['v2 k8s web01 500ms sha256', 'v2 k8s web01 web 01 500ms 500 ms sha256 sha 256'],
    ['1.2.3 3.5 1,234,567 1,2 6½ ١٢', '1.2.3 1*2 2*2 3*2 3.5 5 1234567 6 ١٢'],
    ['2026-11-27 10:30', '2026.11.27 2026 11 27 10.30 10 30'],
    // Scripts without blanks.
    ['支付超时', '支付 支 付超 付 超时 超 时'],
    ['支付，超时', '支付 支 付 超时 超 时'],
    ['支付service超时503', '支付 支 付 servic 超时 超 时 503'],
    ['エラー ｴﾗｰ', 'エラ*2 エ*2 ラー*2 ラ*2 ー*2'],
    ['ｶﾞ ガ か\u3099', 'ガ*2 が'],
    ['결제 실패', '결제 결 제 실패 실 패'],
    ['\u1112\u1161\u11ab', '한'],
    ['葛\u{e0100}城', '葛城 葛 城'],
    ['𠮷野', '𠮷野 𠮷 野'],
    ['ที่ไป', 'ที่ไ ที่ ไป ไ ป'],
    // Other scripts.
    ['Привет, МИР! Ёлки', 'привет мир ёлки'],
    ['ΟΔΟΣ οδός', 'οδοσ*2'],
    ['שלום עולם تجربة', 'שלום עולם تجربة'],
    ['नमस्ते दुनिया', 'नमस्ते दुनिया'],
    // What PostgreSQL cannot store.
    ['a\0b\ud800c\udc00d', 'a b c d'],
  ])('of %j are %s', (text, expected) => {
    expect(list(text)).toBe(expected)
  })

  it.each([
    ['german', 'Häuser Straße errors', 'haus strass error'],
    ['french', "l'erreur des données qu’on", 'l erreur de don qu on'],
    ['spanish', 'canciones rápidamente', 'cancion rapid'],
    ['russian', 'платежи и ошибки payments', 'платеж и ошибк payment'],
    ['none', 'Häuser payments', 'hauser payments'],
  ] as const)('in %s of %j are %s', (language, text, expected) => {
    expect(list(text, { language })).toBe(expected)
  })

  it('has a stemmer for each language', () => {
    for (const language of termLanguage.options) expect(list('error 1', { language })).toMatch(/^err\w* 1$/)
  })

  it('stems what a prototype has names for', () => {
    expect(list('constructor __proto__ toString hasOwnProperty')).toBe('constructor proto tostr to string hasownproperti has own properti')
  })

  it('say where each first occurs, in code points of the text as it is', () => {
    expect(surfaces('😀 Smith’s ﬁles 🦊 ｶﾞｽ 𠮷野 a-𝒳b')).toEqual([
      ['smith', 'Smith’s'],
      ['file', 'ﬁles'],
      ['ガス', 'ｶﾞｽ'],
      ['ガ', 'ｶﾞ'],
      ['ス', 'ｽ'],
      ['𠮷野', '𠮷野'],
      ['𠮷', '𠮷'],
      ['野', '野'],
      ['axb', 'a-𝒳b'],
      ['a', 'a'],
      ['xb', '𝒳b'],
    ])
    expect(terms('x /var/log/app.log').map(({ term, at, width }) => [term, at, width])).toEqual([
      ['x', 0, 1],
      ['varlogapplog', 3, 15],
      ['var', 3, 3],
      ['log', 7, 3],
      ['applog', 11, 7],
      ['app', 11, 3],
    ])
  })

  it('of a character with many marks are whole code points', () => {
    for (const text of ['漢' + '\u{1D165}'.repeat(40), 'か' + '\u{1D165}'.repeat(15) + 'x'])
      for (const { term } of terms(text)) expect(term.isWellFormed()).toBe(true)
  })

  it('are at most 255 bytes, cut between code points', () => {
    expect(terms('a'.repeat(300))).toEqual([{ term: 'a'.repeat(255), frequency: 1, at: 0, width: 300 }])
    expect(terms('ы'.repeat(300))).toEqual([{ term: 'ы'.repeat(127), frequency: 1, at: 0, width: 300 }])
    expect(terms('𝼀'.repeat(300))).toEqual([{ term: '𝼀'.repeat(63), frequency: 1, at: 0, width: 300 }])
    expect(terms(`支${'\u0301'.repeat(5_000)}`)).toEqual([{ term: `支${'\u0301'.repeat(31)}`, frequency: 1, at: 0, width: 5_001 }])
  })

  it('let a long identifier count for its words, twice at most', () => {
    const count = (text: string) => terms(text).reduce((sum, { frequency }) => sum + frequency, 0)
    expect(count(Array(1_000).fill('word').join('.'))).toBe(1_001)
    expect(count(Array(1_000).fill('a.b').join('/'))).toBe(3_001)
    expect(count('dGhpcyBpcyBhIHRlc3QgSSBkbyBub3QgcmVhZA')).toBe(1)
  })

  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...Array.from("aZé1.-_/:'’,支ガｶﾞ한\u0301\u3099ſẞ😀𠮷ﬁ½\0\ud800 ")) }),
  )

  it('of two texts with a blank between them are those of both', () => {
    fc.assert(
      fc.property(piece, piece, fc.constantFrom(...termLanguage.options), (a, b, language) => {
        const sum = new Map<string, number>()
        for (const { term, frequency } of [...terms(a, { language }), ...terms(b, { language })])
          sum.set(term, (sum.get(term) ?? 0) + frequency)
        expect(new Map(terms(`${a} ${b}`, { language }).map(({ term, frequency }) => [term, frequency]))).toEqual(sum)
      }),
    )
  })

  it('stand where they say, in order, and can be stored', () => {
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join('')
        const characters = Array.from(text)
        let last = 0
        for (const { term, frequency, at, width } of terms(text)) {
          expect(term).toMatch(/^[\p{L}\p{M}\p{N}.]+$/u)
          expect(term.isWellFormed()).toBe(true)
          expect(Buffer.byteLength(term)).toBeLessThanOrEqual(255)
          expect(frequency).toBeGreaterThan(0)
          expect(at).toBeGreaterThanOrEqual(last)
          last = at
          expect(at + width).toBeLessThanOrEqual(characters.length)
          // What stands there has the term.
          expect(terms(characters.slice(at, at + width).join('')).map((found) => found.term)).toContain(term)
        }
      }),
    )
  })
})
