import { byPlace, mostParameters, parametersIn, type Place } from '../../logs/miner/parameterValues.ts'
import type { Template } from '../../logs/miner/templates.ts'
import { compareBytes } from '../../schema/compareBytes.ts'
import { HeavyHitters, type HeavyHittersJson } from '../../sketch/heavyHitters/heavyHitters.ts'
import { Hll } from '../../sketch/hll/hll.ts'
import type { PatternRow } from '../rollups/windows/ingestWindow.ts'

/** The values of one parameter in five minutes, as `log_pattern_5m` stores them. */
export interface StoredParameter {
  values: HeavyHittersJson
  /** A HyperLogLog, as text: `\\x...`. */
  distinct: string
}

/** Counters of values for each parameter; 128 bytes of registers. */
const capacity = 16
const precision = { log2m: 8, regwidth: 4 } as const

/**
 * The parameters of one row of `log_pattern_5m`, from the masked lines that are of its template.
 *
 * @returns null if no line was read with its parameters, or none has any.
 */
export function storedParameters(lines: readonly PatternRow[], template: Template): Record<Place, StoredParameter> | null {
  const counted = new Map<Place, Map<string, number>>()
  for (const { maskedLine, parameters, countTotal } of lines) {
    if (parameters === undefined) continue
    for (const [place, value, times] of parametersIn(template, maskedLine, parameters, countTotal)) {
      const values = counted.get(place) ?? new Map<string, number>()
      counted.set(place, values.set(value, (values.get(value) ?? 0) + times))
    }
  }
  if (counted.size === 0) return null
  const first = [...counted].sort(([a], [b]) => byPlace(a, b)).slice(0, mostParameters)
  return Object.fromEntries(first.map(([place, values]) => [place, stored(values)]))
}

function stored(values: ReadonlyMap<string, number>): StoredParameter {
  const entries = [...values].sort(([a], [b]) => compareBytes(a, b))
  const distinct = Hll.create(precision)
  const counters: Record<string, number> = Object.create(null)
  let n = 0
  for (const [value, count] of entries) {
    distinct.add(value)
    counters[value] = count
    n += count
  }
  return { values: HeavyHitters.merge([{ n, offset: 0, counters }], { capacity }).toJSON(), distinct: distinct.toString() }
}
