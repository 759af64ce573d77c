import { hash } from 'node:crypto'

/** How many bytes of a file's beginning, and before a position, are compared. */
export const markBytes = 1024

/** What bytes are known by. */
export const markOf = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex').slice(0, 32)

/** The last bytes, as many as are compared; a copy. */
export const tailOf = (bytes: Uint8Array): Uint8Array => bytes.slice(Math.max(0, bytes.length - markBytes))
