/** Abbreviations of time zones with one usual meaning, in minutes east of UTC. */
export const zoneMinutes: ReadonlyMap<string, number> = new Map(
  (
    [
      [0, 'Z UTC GMT UT WET'],
      [60, 'CET WEST WAT'],
      [120, 'CEST EET SAST CAT'],
      [180, 'EEST MSK EAT'],
      [300, 'PKT'],
      [345, 'NPT'],
      [420, 'WIB ICT'],
      [480, 'HKT SGT AWST WITA'],
      [540, 'JST KST WIT'],
      [570, 'ACST'],
      [600, 'AEST'],
      [630, 'ACDT'],
      [660, 'AEDT'],
      [720, 'NZST'],
      [780, 'NZDT'],
      [-180, 'BRT ART'],
      [-240, 'EDT'],
      [-300, 'EST CDT'],
      [-360, 'MDT'],
      [-420, 'MST PDT'],
      [-480, 'PST AKDT'],
      [-540, 'AKST'],
      [-600, 'HST'],
    ] as const
  ).flatMap(([minutes, names]) => names.split(' ').map((name) => [name, minutes] as const)),
)

/** Abbreviations that several zones use: China or Chicago, India or Israel, Britain or Bangladesh. */
export const ambiguousZones: ReadonlySet<string> = new Set(['CST', 'IST', 'BST', 'AST', 'SST', 'AMT', 'GST'])
