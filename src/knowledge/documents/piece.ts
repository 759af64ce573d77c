/** A part of a document that a search can find on its own. */
export interface Piece {
  content: string
  /** The document's title and the headings above the piece, joined by ` / `. */
  context: string
}
