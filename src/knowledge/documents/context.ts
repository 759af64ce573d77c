/** The most characters of a heading in the context of the text below it. */
export const maxHeading = 200

/** The title and the headings below it; a heading equal to the one above it is left out. */
export function contextOf(title: string, headings: readonly string[]): string {
  const parts = [title, ...headings].map((part) => part.trim().replaceAll(/\s+/g, ' ')).filter((part) => part !== '')
  return parts
    .filter((part, at) => part.toLowerCase() !== parts[at - 1]?.toLowerCase())
    .map((part, at) => (at === 0 || part.length <= maxHeading ? part : `${part.slice(0, maxHeading - 1).replace(/[\uD800-\uDBFF]$/, '')}…`))
    .join(' / ')
}
