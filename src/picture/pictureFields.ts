import { z } from 'zod'

/** More arrows than this nobody follows, and Graphviz takes minutes for some thousand. */
export const readableEdges = 200

/** The fields that several pictures' options have. */
export const pictureTitle = { title: z.string(), description: z.string().optional() }

/** How many edges are drawn at most. */
export const drawnLimit = z.union([z.int('must be a whole number').min(1, 'must be at least 1'), z.literal(Infinity)])

/** What is written into a vertex. */
export const vertexName = z.custom<(name: string) => string>((value) => typeof value === 'function', 'must be a function')

/** A number as rows have it: NaN and the infinities too, which are drawn as they can be. */
export const anyNumber = z.custom<number>((value) => typeof value === 'number', 'must be a number')

/** The ends of an edge, which is a row and may have more columns. */
export const edgeEnds = { src_urn: z.string(), dst_urn: z.string() }
