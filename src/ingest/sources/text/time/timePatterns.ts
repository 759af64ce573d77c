import { timePattern, type TimePattern } from './timePattern.ts'

/** In which order day, month and year stand in a date of numbers. */
export const dateOrders = ['dmy', 'mdy', 'ymd'] as const
export type DateOrder = (typeof dateOrders)[number]

/** A pattern that is recognised; with an order if the same digits could be read in another one. */
export interface KnownPattern extends TimePattern {
  readonly order?: DateOrder
}

const seconds = 'HH:mm:ss[.S]'
const clock = 'H:mm[:ss[.S]][Z]'
const twelve = 'h:mm:ss[.S] a'

/** The patterns with one reading, the more specific first. */
const certain = [
  `yyyy-MM-dd ${clock}`,
  `yyyy/MM/dd ${clock}`,
  `yyyy.MM.dd ${clock}`,
  'dd/MMM/yyyy:HH:mm:ss[.S][Z]',
  `d/MMM/yyyy ${seconds}[Z]`,
  `d-MMM-yyyy ${seconds}[Z]`,
  `[EEE, ]d MMM yyyy ${seconds}[Z]`,
  `EEE MMM d ${seconds}[Z] yyyy[Z]`,
  `EEE d MMM yyyy ${seconds}[Z]`,
  `MMM d, yyyy, ${twelve}`,
  `MMM d, yyyy ${twelve}`,
  `MMM d, yyyy ${seconds}[Z]`,
  `MMM d yyyy ${seconds}[Z]`,
  `MMM d ${seconds}`,
  'yyyy-MM-dd-HH.mm.ss[.S]',
  'yyyy-MM-dd_HH:mm:ss[.S]',
  'yyyy-MM-dd:HH:mm:ss[.S]',
  `yyyyMMdd ${seconds}[Z]`,
  'yyyyMMdd-HH:mm:ss[:S]',
  'yyyyMMdd-H:m:s[:S]',
  'yyyyMMdd-HH:mm:ss[.S]',
  'yyyyMMdd HHmmss[.S][Z]',
  `yyMMdd ${seconds}`,
  'yyMMdd H:mm:ss',
  'yyMMdd HHmmss',
]

const dates: Readonly<Record<DateOrder, (separator: string, year: string) => string>> = {
  dmy: (separator, year) => `d${separator}M${separator}${year}`,
  mdy: (separator, year) => `M${separator}d${separator}${year}`,
  ymd: (separator, year) => `${year}${separator}M${separator}d`,
}

/** The patterns that can be read in several orders. */
const uncertain = ['/', '.', '-'].flatMap((separator): [DateOrder, string][] => [
  ...(['dmy', 'mdy'] as const).map((order): [DateOrder, string] => [order, dates[order](separator, 'yyyy')]),
  ...dateOrders.map((order): [DateOrder, string] => [order, dates[order](separator, 'yy')]),
  ['dmy', `d${separator}M`],
  ['mdy', `M${separator}d`],
])

/** Those that are recognised if the date of the first line is given. */
export const patternsWithoutDate: readonly KnownPattern[] = [`${seconds}[Z]`, twelve].map((text) => timePattern(text))

/** All patterns with a date that are recognised, the more specific first. */
export const knownPatterns: readonly KnownPattern[] = [
  ...certain.map((text) => timePattern(text)),
  ...uncertain.flatMap(([order, date]) =>
    [`${date}[,] ${twelve}`, `${date}[,] ${clock}`].map((text): KnownPattern => ({ ...timePattern(text), order })),
  ),
  timePattern('epoch'),
]
