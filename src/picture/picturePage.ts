import { z } from 'zod'
import { parseOptions } from '../schema/parse.ts'
import { escapeMarkup } from './markup.ts'
import { anyNumber } from './pictureFields.ts'
import { style } from './style.ts'

export interface PageSection {
  heading: string
  /** One or several paragraphs. */
  text?: string | readonly string[]
  /**
   * A picture of `graphPicture` or `seriesChart`. It is inserted unchanged: never pass markup from
   * other sources.
   */
  svg?: string
  /** A table: the names of its columns, then its rows. Numbers are aligned to the right. */
  table?: { columns: readonly string[]; rows: readonly (readonly (string | number | null)[])[] }
  /** A statement or a program, in a monospaced font. */
  code?: string
}

export interface PicturePageOptions {
  title: string
  /** Text below the title. */
  lead?: string
  sections: readonly PageSection[]
}

const picturePageOptions = z.strictObject({
  title: z.string(),
  lead: z.string().optional(),
  sections: z.array(
    z.strictObject({
      heading: z.string(),
      text: z.union([z.string(), z.array(z.string())], 'must be a text or a list of texts').optional(),
      svg: z.string().optional(),
      table: z
        .strictObject({
          columns: z.array(z.string()),
          rows: z.array(z.array(z.union([z.string(), anyNumber, z.null()], 'must be a text, a number or null'))),
        })
        .optional(),
      code: z.string().optional(),
    }),
  ),
})

/**
 * One HTML page with pictures, tables and text. It is self-contained (no script, nothing from
 * outside), and readable in print and on a phone.
 *
 * Everything except `svg` is text and is escaped.
 *
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * await writeFile('incident.html', picturePage({ title: 'Payment became slow', sections: [{ heading: 'Who calls whom', svg: await graphPicture(...) }] }))
 */
export function picturePage(options: PicturePageOptions): string {
  const { title, lead, sections } = parseOptions(picturePageOptions, options)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title>
<style>
  body { margin: 0 auto; padding: 40px 24px 64px; max-width: 1080px; font: 16px/1.55 ${style.font}; color: ${style.text}; background: #f3f5f7; }
  h1 { margin: 0 0 8px; font-size: 30px; line-height: 1.2; }
  .lead { margin: 0 0 28px; font-size: 18px; color: ${style.quiet}; }
  section { margin: 0 0 24px; padding: 24px 28px; background: ${style.background}; border: 1px solid ${style.line}; border-radius: 10px; }
  h2 { margin: 0 0 12px; font-size: 20px; }
  p { margin: 0 0 12px; max-width: 46em; }
  .picture { overflow-x: auto; }
  .picture > svg { display: block; margin: 0 auto; max-width: 100%; height: auto; }
  table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
  th, td { padding: 7px 12px 7px 0; text-align: left; border-bottom: 1px solid ${style.line}; overflow-wrap: anywhere; vertical-align: top; }
  th { color: ${style.quiet}; font-weight: normal; }
  .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  pre { margin: 12px 0 0; padding: 14px 16px; background: #f6f8fa; border-radius: 6px; font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-x: auto; }
  @media print { body { background: none; padding: 0; } section { break-inside: avoid; border: 0; padding: 0; } }
</style>
</head>
<body>
<h1>${escapeMarkup(title)}</h1>
${lead === undefined ? '' : `<p class="lead">${escapeMarkup(lead)}</p>`}
${sections.map(sectionMarkup).join('\n')}
</body>
</html>
`
}

function sectionMarkup({ heading, text = [], svg, table, code }: PageSection): string {
  const paragraphs = typeof text === 'string' ? [text] : text
  return [
    '<section>',
    `<h2>${escapeMarkup(heading)}</h2>`,
    ...paragraphs.map((paragraph) => `<p>${escapeMarkup(paragraph)}</p>`),
    // An XML declaration or doctype is not allowed inside HTML.
    svg === undefined ? '' : `<div class="picture">${svg.slice(Math.max(0, svg.indexOf('<svg')))}</div>`,
    table === undefined ? '' : tableMarkup(table),
    code === undefined ? '' : `<pre>${escapeMarkup(code)}</pre>`,
    '</section>',
  ]
    .filter((line) => line !== '')
    .join('\n')
}

function tableMarkup({ columns, rows }: NonNullable<PageSection['table']>): string {
  const numeric = columns.map((_, index) => rows.some((row) => typeof row[index] === 'number'))
  const cell = (tag: 'th' | 'td', content: string | number | null, index: number) =>
    `<${tag}${numeric[index] ? ' class="number"' : ''}>${escapeMarkup(content === null ? '–' : String(content))}</${tag}>`
  const head = columns.map((name, index) => cell('th', name, index)).join('')
  const body = rows.map((row) => `<tr>${row.map((content, index) => cell('td', content, index)).join('')}</tr>`).join('\n')
  return `<table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body}\n</tbody>\n</table>`
}
