/**
 * Drain (He, Zhu, Zheng, Lyu: Drain: An Online Log Parsing Approach with Fixed Depth Tree, ICWS 2017) with the settings and masks that Drain3 ships:
 * two levels of tokens below the number of tokens, similarity .4, at most 100 children.
 */
const similarity = 0.4
const maxChildren = 100
const levels = 2
const parameter = '<*>'

const masks: readonly (readonly [RegExp, string])[] = [
  [/(?<=[^A-Za-z0-9]|^)(?:[0-9a-f]{2,}:){3,}[0-9a-f]{2,}(?=[^A-Za-z0-9]|$)/g, '<:ID:>'],
  [/(?<=[^A-Za-z0-9]|^)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?=[^A-Za-z0-9]|$)/g, '<:IP:>'],
  [/(?<=[^A-Za-z0-9]|^)(?:[0-9a-f]{6,} ?){3,}(?=[^A-Za-z0-9]|$)/g, '<:SEQ:>'],
  [/(?<=[^A-Za-z0-9]|^)(?:[0-9A-F]{4} ?){4,}(?=[^A-Za-z0-9]|$)/g, '<:SEQ:>'],
  [/(?<=[^A-Za-z0-9]|^)0x[a-f0-9A-F]+(?=[^A-Za-z0-9]|$)/g, '<:HEX:>'],
  [/(?<=[^A-Za-z0-9]|^)[-+]?\d+(?=[^A-Za-z0-9]|$)/g, '<:NUM:>'],
  [/(?<=executed cmd )".+?"/g, '<:CMD:>'],
]

interface Node {
  children: Map<string, Node>
  clusters: Cluster[]
}

interface Cluster {
  id: string
  tokens: string[]
}

const node = (): Node => ({ children: new Map(), clusters: [] })

/** A parser of its own state; gives each line the id of its cluster. */
export function drain(): (line: string) => string {
  const lengths = new Map<number, Node>()
  let clusters = 0
  return (line) => {
    let masked = line.trim()
    for (const [pattern, by] of masks) masked = masked.replace(pattern, by)
    const tokens = masked.split(/\s+/)
    let at: Node = lengths.get(tokens.length) ?? node()
    lengths.set(tokens.length, at)
    for (const token of tokens.slice(0, levels)) {
      const full = !at.children.has(token) && at.children.size + 1 >= maxChildren
      const key = full || (/\d/.test(token) && !at.children.has(token)) ? parameter : token
      const next: Node = at.children.get(key) ?? node()
      at.children.set(key, next)
      at = next
    }
    const found = mostSimilar(at.clusters, tokens)
    if (found === undefined) {
      clusters += 1
      const cluster = { id: `${clusters}`, tokens }
      at.clusters.push(cluster)
      return cluster.id
    }
    found.tokens = found.tokens.map((token, position) => (token === tokens[position] ? token : parameter))
    return found.id
  }
}

function mostSimilar(clusters: readonly Cluster[], tokens: readonly string[]): Cluster | undefined {
  let best: { cluster: Cluster; same: number; parameters: number } | undefined
  for (const cluster of clusters) {
    const parameters = cluster.tokens.filter((token) => token === parameter).length
    const same = cluster.tokens.filter((token, position) => token !== parameter && token === tokens[position]).length
    if (best === undefined || same > best.same || (same === best.same && parameters > best.parameters)) best = { cluster, same, parameters }
  }
  return best !== undefined && best.same >= similarity * tokens.length ? best.cluster : undefined
}
