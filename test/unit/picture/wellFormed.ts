import { expect } from 'vitest'

/** Fails unless the text is one well-formed XML element: tags nest, attributes are quoted and unique, nothing is left bare. */
export function wellFormed(xml: string): void {
  const open: string[] = []
  const rest = xml
    .trim()
    .replaceAll(
      /<!--[\s\S]*?-->|<(\/?)([\w:-]+)((?:\s+[\w:.-]+="[^"<]*")*)\s*(\/?)>/g,
      (tag, end, name: string, attributes: string, empty) => {
        if (tag.startsWith('<!--')) return ''
        const names = [...attributes.matchAll(/([\w:.-]+)="/g)].map(([, attribute]) => attribute)
        expect(names).toEqual([...new Set(names)])
        if (end) expect(open.pop()).toBe(name)
        else if (!empty) open.push(name)
        return ''
      },
    )
  expect(open).toEqual([])
  expect(rest.match(/[<]|&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-fA-F]+);)/)?.[0]).toBeUndefined()
  expect(rest).not.toMatch(/[^\P{Cc}\t\n\r]/u)
  expect(rest.isWellFormed()).toBe(true)
}
