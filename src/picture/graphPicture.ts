import { callDrawing, type GraphPictureOptions } from './callDrawing.ts'
import { drawnSvg } from './drawnSvg.ts'

/**
 * The call graph as an SVG: callers left of callees; thickness is traffic; colour is how far a call
 * is from normal (see `callState`); suspects and symptoms are marked, by colour and in words, and
 * the paths between them drawn bold. Laid out by Graphviz.
 *
 * The SVG stands alone: no script, no font or style from outside. Names are data: whatever they
 * hold is shown, long ones shortened, the whole name being the vertex's tooltip. Calls of one pair
 * given twice are drawn twice; a graph without edges is a picture that says so; of more than
 * `limit` calls the most telling are drawn, and the picture says so.
 *
 * @throws MissingCapabilityError when the package `@viz-js/viz` is not installed.
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * const svg = await graphPicture({
 *   title: 'Who calls whom, 10:20 to 10:30',
 *   edges: [{ src_urn: 'checkout', dst_urn: 'payment', rps: 12.3, err_rate: 0.12, p95_ms: 840, normal_p95_ms: 45 }],
 *   suspects: ['payment'],
 *   paths: [['checkout', 'payment']],
 * })
 */
export async function graphPicture(options: GraphPictureOptions): Promise<string> {
  return drawnSvg(callDrawing(options), 'graphPicture')
}
