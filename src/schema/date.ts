import { z } from 'zod'

/**
 * JavaScript has dates beyond PostgreSQL's, and for years with more than four digits each writes
 * dates that the other cannot read.
 */
export const firstDate = new Date('0001-01-01T00:00:00.000Z')
export const lastDate = new Date('9999-12-31T00:00:00.000Z')

const problem = 'must be a valid Date from the year 1 to 9999'

/** A time that PostgreSQL can store. */
export const storableDate = z.date(problem).min(firstDate, problem).max(lastDate, problem)

/** The time, or the nearest one that can be stored. */
export const withinStorable = (moment: Date): Date => (moment < firstDate ? firstDate : moment > lastDate ? lastDate : moment)
