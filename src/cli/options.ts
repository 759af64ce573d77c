import { InvalidArgumentError } from 'commander'

/** A moment on the command line. */
export function time(text: string): Date {
  const date = new Date(text.length > 64 ? NaN : text)
  // Without a zone a time would depend on the machine it is typed on.
  if (Number.isNaN(date.getTime()) || !/(Z|[+-]\d\d:?\d\d)$/i.test(text))
    throw new InvalidArgumentError('It must be a time with its zone, such as 2026-11-22T09:30:00Z.')
  return date
}

/** A count on the command line. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
