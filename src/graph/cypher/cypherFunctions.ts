/**
 * The functions that a text may call: Cypher's own, in every version of AGE from 1.5 on. None of
 * them leads out of the graph.
 *
 * AGE looks for them in lower case. `startNode` and `endNode` are an exception: AGE adds the name
 * of the graph only if they are spelled exactly so, and otherwise takes it from the caller.
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

/** Whether a text may call a function by this name, in this spelling. */
export const mayCall = (name: string): boolean => name === 'startNode' || name === 'endNode' || functions.has(asciiLower(name))

/** Lowers a name as AGE does: Unicode would make a `k` of the Kelvin sign. */
const asciiLower = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())

/**
 * Functions that AGE 1.7 gets wrong in 32-bit builds such as WebAssembly: it takes their small
 * integers for pointers.
 */
const wide = new Set(['endnode', 'left', 'right', 'startnode', 'substring'])

/** Whether a function needs a 64-bit server. */
export const isWide = (name: string): boolean => wide.has(asciiLower(name))
