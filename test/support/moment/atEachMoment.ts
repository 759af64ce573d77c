import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leg } from '../leg.ts'
import { goTo, inAllMoments, inMoments } from './moment.ts'
import { momentsOf, type Moment } from './moments.ts'

/**
 * `describe` for tests whose outcome hangs on the clock: once, now; in `npm run test:moments` once
 * at each of the leg's moments, in one process. What asks for the time when the tests are defined must
 * do so inside `tests`, not in a `describe` within it, nor in the file around it.
 *
 * @param runs whether this leg runs them.
 * @param at which of the leg's moments; all unless given.
 */
export function atEachMoment(
  name: string,
  tests: () => void,
  { runs = true, at = () => true }: { runs?: boolean; at?: (moment: Moment) => boolean } = {},
): void {
  const itsLeg = describe.skipIf(!leg.available || !runs)
  if (!inMoments) return void itsLeg(name, tests)
  itsLeg.each(momentsOf(leg.name, { all: inAllMoments }).filter(at))('at $now, $name', (moment) => {
    beforeAll(() => goTo(moment))
    afterAll(() => goTo())
    it('is then and there', () => {
      const late = Date.now() - Date.parse(moment.now)
      expect(late >= -1000 && late < 600_000).toBe(true)
      expect(Intl.DateTimeFormat().resolvedOptions().timeZone).toBe(moment.zone)
    })
    describe(name, () => {
      goTo(moment)
      try {
        tests()
      } finally {
        goTo()
      }
    })
  })
}

/** Of the moments those at which the zone is what matters. */
export const inOtherZones = ({ kind }: Moment): boolean => kind === 'zone'
