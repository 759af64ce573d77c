/** A part of a document that is found by itself. */
export interface Piece {
  content: string
  /** What it is part of: the document's title and the headings above it, ` / ` between them. */
  context: string
}
