import fc from 'fast-check'
import type { Json } from '../../../src/schema/text.ts'
import type { TopologyCounts } from '../../../src/topology/recordTopology.ts'
import { at } from '../../support/rows.ts'

export type Props = Record<string, Json>

/** A snapshot as it is recorded; `hour` is the moment, an hour of the tests' day. */
export interface Recording {
  source: string
  relation: string
  hour: number
  edges: { src: string; dst: string; props: Props }[]
}

export interface Version {
  src: string
  dst: string
  relation: string
  source: string
  opens: number
  /** Infinity while it holds. */
  closes: number
  props: Props
}

export const hourOf = (hour: number): Date => new Date(at('00:00').getTime() + hour * 3_600_000)

const names = ['a', 'b', 'c']
const pairs = names.flatMap((src) => names.map((dst) => ({ src, dst })))

/** Few of everything, and some of it often, so that edges come back, sources meet, and moments tie. */
export const recordings: fc.Arbitrary<Recording[]> = fc.array(
  fc.record({
    source: fc.constantFrom('tracing', 'tracing', 'tracing', 'kubernetes', "it's ☂"),
    relation: fc.constantFrom('calls', 'calls', 'calls', 'runs_on'),
    hour: fc.integer({ min: 0, max: 4 }),
    edges: fc
      .tuple(...pairs.map(() => fc.constantFrom<(Props | undefined)[]>(undefined, undefined, {}, {}, { v: 2, deep: { list: [1, null] } })))
      .map((chosen) => pairs.flatMap((pair, index) => (chosen[index] === undefined ? [] : [{ ...pair, props: chosen[index] }]))),
  }),
  { minLength: 1, maxLength: 12 },
)

/**
 * What recording means, in the simplest words: a list of snapshots, of which the newest one that is not after a moment says what holds then. The last one
 * recorded of a moment counts.
 */
export class SnapshotList {
  readonly #snapshots: Recording[] = []

  /** What the source says of the relation at that hour. */
  edgesOf(source: string, relation: string, hour: number): Map<string, Props> {
    const said = this.#ofKind(source, relation).filter((snapshot) => snapshot.hour <= hour)
    return new Map(said.at(-1)?.edges.map(({ src, dst, props }) => [`${src} ${dst}`, props]))
  }

  /** Adds a snapshot and says what it changed at its moment. */
  record(recording: Recording): TopologyCounts {
    const before = this.edgesOf(recording.source, recording.relation, recording.hour)
    const same = this.#snapshots.findIndex(
      ({ source, relation, hour }) => source === recording.source && relation === recording.relation && hour === recording.hour,
    )
    if (same !== -1) this.#snapshots.splice(same, 1)
    this.#snapshots.push(recording)
    const after = this.edgesOf(recording.source, recording.relation, recording.hour)
    const kept = [...after.keys()].filter((edge) => before.has(edge))
    const unchanged = kept.filter((edge) => JSON.stringify(before.get(edge)) === JSON.stringify(after.get(edge))).length
    return { opened: after.size - kept.length, closed: before.size - kept.length, changed: kept.length - unchanged, unchanged }
  }

  /** The fewest versions that say the same. */
  versions(): Version[] {
    const kinds = new Map(this.#snapshots.map(({ source, relation }) => [JSON.stringify([source, relation]), { source, relation }]))
    return [...kinds.values()].flatMap(({ source, relation }) => {
      const versions: Version[] = []
      const snapshots = this.#ofKind(source, relation)
      for (const [index, { hour, edges }] of snapshots.entries()) {
        const closes = snapshots[index + 1]?.hour ?? Infinity
        for (const { src, dst, props } of edges) {
          const previous = versions.find((version) => version.src === src && version.dst === dst && version.closes === hour)
          if (previous && JSON.stringify(previous.props) === JSON.stringify(props)) previous.closes = closes
          else versions.push({ src, dst, relation, source, opens: hour, closes, props })
        }
      }
      return versions
    })
  }

  /** What topologyAt should say, by `src dst relation`: the version that opened last decides, then the source that sorts first. */
  edgesAt(hour: number): Map<string, Props> {
    const holding = this.versions()
      .filter(({ opens, closes }) => opens <= hour && hour < closes)
      .sort((a, b) => a.opens - b.opens || (a.source < b.source ? 1 : -1))
    return new Map(holding.map(({ src, dst, relation, props }) => [`${src} ${dst} ${relation}`, props]))
  }

  #ofKind(source: string, relation: string): Recording[] {
    return this.#snapshots
      .filter((snapshot) => snapshot.source === source && snapshot.relation === relation)
      .sort((a, b) => a.hour - b.hour)
  }
}
