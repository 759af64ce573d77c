import { z } from 'zod'

/**
 * JavaScript's dates go further than PostgreSQL's, and neither writes those beyond four digits of a
 * year as the other reads them.
 */
export const firstDate = new Date('0001-01-01T00:00:00.000Z')
export const lastDate = new Date('9999-12-31T00:00:00.000Z')

const problem = 'must be a valid Date from the year 1 to 9999'

/** A moment that PostgreSQL can store, however it gets there. */
export const storableDate = z.date(problem).min(firstDate, problem).max(lastDate, problem)

/** The moment, or the nearest one that can be stored. */
export const withinStorable = (moment: Date): Date => (moment < firstDate ? firstDate : moment > lastDate ? lastDate : moment)
