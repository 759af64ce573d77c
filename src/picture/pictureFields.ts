import { z } from 'zod'

/** More arrows cannot be followed, and Graphviz takes minutes for a few thousand. */
export const readableEdges = 200

/** The fields that several pictures' options have. */
export const pictureTitle = { title: z.string(), description: z.string().optional() }

/** The most edges to draw. */
export const drawnLimit = z.union([z.int('must be a whole number').min(1, 'must be at least 1'), z.literal(Infinity)])

/** The text in a vertex. */
export const vertexName = z.custom<(name: string) => string>((value) => typeof value === 'function', 'must be a function')

/** A number in a row, including NaN and infinities, which are drawn as well as possible. */
export const anyNumber = z.custom<number>((value) => typeof value === 'number', 'must be a number')

/** The ends of an edge. An edge is a row and may have more columns. */
export const edgeEnds = { src_urn: z.string(), dst_urn: z.string() }
