/**
 * The functions a text may call: Cypher's own, as every version of AGE from 1.5 on has them. None
 * of them leads out of the graph.
 *
 * AGE looks for them in lower case; but for `startNode` and `endNode`, to which it gives the name
 * of the graph only where they are written so, and takes it from the caller where they are not.
 */
const functions = new Set(
  `
  abs acos asin atan atan2 ceil cos cot degrees e exp floor log log10 pi radians rand round sign sin sqrt tan timestamp
  avg collect count max min percentilecont percentiledisc stdev stdevp sum
  end_id id label labels length nodes properties relationships start_id type
  coalesce exists head isempty keys last range reverse size tail
  left ltrim replace right rtrim split substring tolower toupper trim
  toboolean tobooleanlist tofloat tofloatlist tointeger tointegerlist tostring tostringlist
  `
    .trim()
    .split(/\s+/),
)

/** Whether a text may call a function by this name, as it is written. */
export const mayCall = (name: string): boolean => name === 'startNode' || name === 'endNode' || functions.has(asciiLower(name))

/** As AGE lowers a name: not as Unicode does, which makes a `k` of the Kelvin sign. */
const asciiLower = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())

/**
 * What AGE compiled for 32 bits, as in WebAssembly, gets wrong (1.7): it takes their small integers
 * for pointers.
 */
const wide = new Set(['endnode', 'left', 'right', 'startnode', 'substring'])

/** Whether a function needs a server of 64 bits. */
export const isWide = (name: string): boolean => wide.has(asciiLower(name))
