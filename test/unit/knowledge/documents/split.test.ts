import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitDocument, type SplitInput, type SplitOptions } from '../../../../src/knowledge/documents/split.ts'

const split = (content: string, options?: SplitOptions, more: Partial<SplitInput> = {}) =>
  splitDocument({ title: 'Payment', content, ...more }, options)
const contents = (content: string, options?: SplitOptions, more?: Partial<SplitInput>) =>
  split(content, options, more).map((piece) => piece.content)

const sentence = (at: number) => `Sentence number ${at} says something of no weight.`
const prose = (sentences: number) => Array.from({ length: sentences }, (_, at) => sentence(at)).join(' ')
const dense = (text: string) => text.replaceAll(/\s/g, '')

describe('a Markdown document', () => {
  it('that is short is one piece, its only heading the context', () => {
    expect(split('# Slow provider\n\nSwitch to the second one.\n')).toEqual([
      { content: 'Switch to the second one.', context: 'Payment / Slow provider' },
    ])
  })

  it('does not say its title twice', () => {
    expect(split('# payment\n\nSwitch.')).toEqual([{ content: 'Switch.', context: 'Payment' }])
  })

  it('is cut by its sections, each with the headings above it', () => {
    const text = `Intro.\n\n# A\n\n${prose(15)}\n\n## A1\n\n${prose(15)}\n\n# B\n\n${prose(15)}\n`
    expect(split(text)).toEqual([
      { content: 'Intro.', context: 'Payment' },
      { content: prose(15), context: 'Payment / A' },
      { content: prose(15), context: 'Payment / A / A1' },
      { content: prose(15), context: 'Payment / B' },
    ])
  })

  it('has small sections beside each other share a piece, below their common heading', () => {
    const text = `# A\n\n## One\n\nFirst.\n\n## Two\n\nSecond.\n\n# B\n\n${prose(30)}`
    expect(split(text)[0]).toEqual({ content: '## One\n\nFirst.\n\n## Two\n\nSecond.', context: 'Payment / A' })
  })

  it.each([
    ['at the end of another section', `# A\n\n${prose(15)}\n\n# Nothing\n\n# B\n\n${prose(15)}`, `${prose(15)}\n\n# Nothing`],
    ['before any section', `# Nothing\n\n# B\n\n${prose(15)}`, `# Nothing\n\n# B\n\n${prose(15)}`],
    [
      'with headings below it',
      `# A\n\n${prose(15)}\n\n# No\n\n## No\n\n---\n\n# B\n\n${prose(15)}`,
      `${prose(15)}\n\n# No\n\n## No\n\n---`,
    ],
  ])('keeps a heading with nothing below it beside other text: %s', (_, text, first) => {
    expect(contents(text)[0]).toBe(first)
  })

  it('of one heading is that', () => {
    expect(split('# Nothing yet')).toEqual([{ content: '# Nothing yet', context: 'Payment' }])
  })

  it('does not cut code or tables that fit', () => {
    const code = `\`\`\`bash\n# not a heading\n\n${'kubectl get pods\n'.repeat(20)}\`\`\``
    const table = `| a | b |\n|---|---|\n${'| one | two |\n'.repeat(30)}`.trimEnd()
    const found = contents(`# A\n\n${prose(20)}\n\n${code}\n\n${table}\n\n${prose(20)}`)
    expect(found.filter((content) => content.includes(code))).toHaveLength(1)
    expect(found.filter((content) => content.includes(table))).toHaveLength(1)
  })

  it('cuts long code between lines, and keeps their indentation', () => {
    const line = (at: number) => `    if (step === ${at}) restart('payment-${at}')`
    const found = contents(`\`\`\`js\n${Array.from({ length: 100 }, (_, at) => line(at)).join('\n')}\n\`\`\``)
    expect(found.length).toBeGreaterThan(3)
    const lines = found.flatMap((content) => content.split('\n'))
    expect(lines).toEqual(['```js', ...Array.from({ length: 100 }, (_, at) => line(at)), '```'])
  })

  it('cuts a long table between rows, and repeats its header', () => {
    const header = '| step | command |\n|---|---|\n'
    const found = contents(header + Array.from({ length: 100 }, (_, at) => `| ${at} | restart payment-${at} |\n`).join(''))
    expect(found.length).toBeGreaterThan(2)
    for (const content of found) expect(content).toMatch(/^\| step \| command \|\n\|---\|---\|\n\| \d+ \| restart/)
  })

  it('cuts a long list between items', () => {
    const item = (at: number) => `- Step ${at} restarts the payment service\n  and waits for it.\n`
    for (const content of contents(Array.from({ length: 60 }, (_, at) => item(at)).join('\n'), undefined, { format: 'markdown' })) {
      expect(content).toMatch(/^- Step \d+ restarts/)
      expect(content).toMatch(/waits for it\.$/)
    }
  })

  it('cuts long prose between sentences, and repeats one', () => {
    const found = contents(`# A\n\n${prose(60).replaceAll('of no', 'of\nno')}`)
    expect(found.length).toBeGreaterThan(2)
    for (const [at, content] of found.entries()) {
      expect(content).toMatch(/^Sentence number \d+ /)
      expect(content).toMatch(/weight\.$/)
      if (at > 0) expect(found[at - 1]).toContain(content.slice(0, content.indexOf('.') + 1))
    }
  })

  it('reads line ends of Windows as others', () => {
    const text = `# A\n\n${prose(30)}\n\n## B\n\n\`\`\`\na\n\nb\n\`\`\`\n`
    expect(split(text.replaceAll('\n', '\r\n'))).toEqual(split(text))
  })

  it('reads front matter as content, not as a heading', () => {
    expect(split('---\ntags: [payment, slow]\n---\n\n# A\n\nSwitch.')).toEqual([
      { content: '---\ntags: [payment, slow]\n---\n\n# A\n\nSwitch.', context: 'Payment' },
    ])
  })

  it('keeps definitions of links, footnotes and comments', () => {
    const text = '# A\n\nSee [the page][1].\n\n[1]: https://wiki.example/hidden "The page"\n\n<!-- owner: sre -->\n'
    expect(split(text)).toEqual([{ content: text.slice(5).trim(), context: 'Payment / A' }])
  })

  it('has a heading that is too long for a context in the content', () => {
    const heading = `Why ${'very '.repeat(60)}long`
    const [piece] = split(`# ${heading}\n\nSwitch.`)
    expect(piece!.context.length).toBeLessThan(220)
    expect(piece!.content).toBe(`# ${heading}\n\nSwitch.`)
  })

  it('of Chinese is cut between its sentences', () => {
    const text = `# 支付服务变慢\n\n${'数据库连接池已满，请先检查慢查询。'.repeat(200)}`
    const found = split(text)
    expect(found.length).toBeGreaterThan(2)
    for (const { content, context } of found) {
      expect(context).toBe('Payment / 支付服务变慢')
      expect(content).toMatch(/^数据库.*。$/)
    }
  })
})

describe('plain text', () => {
  it('is cut between sentences, and repeats as many as asked', () => {
    const found = contents(prose(100), { maxCharacters: 500, overlap: 2 })
    expect(found.length).toBeGreaterThan(5)
    for (const [at, content] of found.entries()) {
      if (at > 0)
        expect(
          content.startsWith(
            found[at - 1]!.split(/(?<=\.) /)
              .slice(-2)
              .join(' '),
          ),
        ).toBe(true)
    }
  })

  it('has the title as context', () => {
    expect(split('Switch.')).toEqual([{ content: 'Switch.', context: 'Payment' }])
  })

  it.each(['', ' \n\t\n ', '\uFEFF'])('of nothing (%j) is no piece', (content) => {
    expect(split(content)).toEqual([])
    expect(split(content, {}, { format: 'markdown' })).toEqual([])
  })
})

describe('a document without a format', () => {
  it.each([
    ['# A', true],
    ['a\n### A', true],
    ['```\ncode', true],
    ['|a|\n| :--- |', true],
    ['#hashtag', false],
    ['- a list', false],
    ['a # b', false],
    ['####### seven', false],
  ])('%j is Markdown: %s', (start, markdown) => {
    // As a list it is cut between its items, as text between sentences, of which it is one.
    const text = `${Array.from({ length: 40 }, (_, at) => `- Step ${at} restarts the payment service\n`).join('')}\n${start}`
    expect(split(text)).toEqual(split(text, {}, { format: markdown ? 'markdown' : 'text' }))
    expect(split(text)).not.toEqual(split(text, {}, { format: markdown ? 'text' : 'markdown' }))
  })
})

describe('any document', () => {
  const word = fc.constantFrom(
    'payment',
    'a',
    '数据库',
    'é',
    '😀',
    '𠮷野',
    'x'.repeat(150),
    'http.server',
    '`code`',
    '*',
    '|',
    'a|b',
    '\\',
    '<b>',
    '[x]',
    '&amp;',
  )
  const line = fc
    .tuple(
      fc.constantFrom(
        '',
        '',
        '',
        '# ',
        '## ',
        '###### ',
        '- ',
        '1. ',
        '> ',
        '```',
        '    ',
        '  ',
        '\t',
        '|',
        '|---|',
        '---',
        '===',
        '[a]: ',
        '<!-- ',
        '<div>',
        '. ',
      ),
      fc.array(word, { maxLength: 8 }),
    )
    .map(([start, words]) => start + words.join(' '))
  const document = fc.array(line, { maxLength: 60 }).chain((lines) => fc.constantFrom('\n', '\r\n', '\n\n').map((end) => lines.join(end)))
  const bounds = fc.record({ maxCharacters: fc.integer({ min: 100, max: 400 }), overlap: fc.integer({ min: 0, max: 3 }) })
  const format = fc.constantFrom('markdown' as const, 'text' as const)

  it('has all of its words in its pieces, none longer than the bound, none cut in a character', () => {
    fc.assert(
      fc.property(document, bounds, format, (content, options, format) => {
        // A title that no heading repeats: what says the same is left out of the context.
        const input = { title: 'Runbook', content, format }
        const pieces = splitDocument(input, options)
        expect(pieces).toEqual(splitDocument(input, options))
        const found = new Set(pieces.flatMap(({ content, context }) => `${content} ${context}`.split(/[\s#=-]+/)))
        const lost = content
          .split(/[\s#=-]+/)
          .filter((each) => /[\p{L}\p{N}]/u.test(each) && each.length <= 100 && /^[ -~]*$/.test(each) && !found.has(each))
        expect(lost).toEqual([])
        for (const piece of pieces) {
          expect(piece.content.length).toBeLessThanOrEqual(options.maxCharacters)
          expect(piece.content.trim()).not.toBe('')
          expect(piece.content.isWellFormed()).toBe(true)
          expect(piece.context.isWellFormed()).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('that is plain is its pieces, one after another', () => {
    fc.assert(
      fc.property(document, bounds, (content, { maxCharacters }) => {
        const pieces = contents(content, { maxCharacters, overlap: 0 }, { format: 'text' })
        expect(dense(pieces.join(''))).toBe(dense(content))
      }),
      { numRuns: 200 },
    )
  })

  it('without a heading or a table is its pieces, one after another', () => {
    fc.assert(
      fc.property(document, bounds, (content, { maxCharacters }) => {
        // Nor a line that makes a heading of the one above.
        const plain = content.replaceAll(/[#|]/g, '').replaceAll(/^[ \t]*[-=]+[ \t]*\r?$/gm, '')
        const pieces = contents(plain, { maxCharacters, overlap: 0 }, { format: 'markdown' })
        expect(dense(pieces.join(''))).toBe(dense(plain))
      }),
      { numRuns: 200 },
    )
  })
})
