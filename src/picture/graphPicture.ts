import { callDrawing, type GraphPictureOptions } from './callDrawing.ts'
import { drawnSvg } from './drawnSvg.ts'

/**
 * The call graph as an SVG, laid out by Graphviz with callers left of callees. Thickness is
 * traffic; colour is the distance from normal (see `callState`). Suspects and symptoms are marked
 * by colour and in words, and the paths between them are bold.
 *
 * | | |
 * |---|---|
 * | the SVG | is standalone: no script, no font or style from outside |
 * | names | are data and shown as they are; long ones are shortened, and the tooltip has the whole name |
 * | several calls of one pair | are drawn as several edges |
 * | no edges | the picture says so |
 * | more than `limit` calls | the most important are drawn, and the picture says so |
 *
 * @throws MissingCapabilityError if the package `@viz-js/viz` is not installed.
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
