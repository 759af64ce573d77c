import type { EChartsOption, SeriesOption } from 'echarts'
import { z } from 'zod'
import { parseOptions } from '../schema/parse.ts'
import { amount } from './amount.ts'
import { escapeMarkup, printable, shortened } from './markup.ts'
import { optionalPackage } from './optionalPackage.ts'
import { anyNumber, pictureTitle } from './pictureFields.ts'
import { style } from './style.ts'

export interface ChartPoint {
  bucket: Date
  /** Null is a gap in the line. */
  value: number | null
}

export interface ChartSeries {
  name: string
  points: readonly ChartPoint[]
}

export interface ChartMark {
  at: Date
  /** A few words. */
  label: string
  /** Default `neutral`; `critical` is drawn in red. */
  kind?: 'neutral' | 'critical'
}

export interface SeriesChartOptions {
  title: string
  /** A sentence below the title. Screen readers read it as the picture's description. */
  description?: string
  series: readonly ChartSeries[]
  /** The unit of all values: `ms`, `calls/s`. */
  unit?: string
  /** The normal range, drawn behind the lines. */
  band?: { name?: string; points: readonly { bucket: Date; lower: number | null; upper: number | null }[] }
  /** Moments, drawn as vertical lines. */
  marks?: readonly ChartMark[]
  /** Pixels. Default 960 by 420. */
  width?: number
  height?: number
}

const bucket = z.date()
const value = anyNumber.nullable()

const seriesChartOptions = z.strictObject({
  ...pictureTitle,
  series: z.array(z.strictObject({ name: z.string(), points: z.array(z.object({ bucket, value })) })),
  unit: z.string().optional(),
  band: z.strictObject({ name: z.string().optional(), points: z.array(z.object({ bucket, lower: value, upper: value })) }).optional(),
  marks: z.array(z.strictObject({ at: z.date(), label: z.string(), kind: z.enum(['neutral', 'critical']).optional() })).default([]),
  width: z.number().positive().default(960),
  height: z.number().positive().default(420),
})

/**
 * Series over time as an SVG, drawn by Apache ECharts: a line for each series, the normal range
 * behind them, and marked moments. Times are in UTC.
 *
 * The SVG is standalone: no script, no font or style from outside. It takes the rows of any series
 * frame, grouped by their `series`.
 *
 * @throws MissingCapabilityError if the package `echarts` is not installed.
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * const rows = await callSeries(scope, { from: checkout, measure: 'p95_ms', range: last('6 hours') }).execute()
 * const svg = await seriesChart({
 *   title: 'p95 of what checkout calls',
 *   unit: 'ms',
 *   series: [...Map.groupBy(rows, (row) => row.series)].map(([name, points]) => ({ name, points })),
 * })
 */
export async function seriesChart(options: SeriesChartOptions): Promise<string> {
  const chosen = parseOptions(seriesChartOptions, options)
  const { width, height, title, description, series } = chosen
  const echarts = await optionalPackage('echarts', 'seriesChart', () => import('echarts'))
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height })
  try {
    chart.setOption(optionsOf(chosen))
    const words = `<title>${escapeMarkup(title)}</title><desc>${escapeMarkup(description ?? `A chart of ${series.length} series over time.`)}</desc>`
    const drawn = chart.renderToSVGString()
    const [opening, content] = [drawn.slice(0, drawn.indexOf('>') + 1), drawn.slice(drawn.indexOf('>') + 1)]
    // The style sheet contains only the effects of a pointer, and its classes would collide with
    // those of another chart.
    return `${opening.replace('<svg ', '<svg role="img" ')}${words}${withoutElement(content, 'style')}\n`
  } finally {
    chart.dispose()
  }
}

/** Markup without its first element of that name, which contains no other of that name. */
function withoutElement(markup: string, name: string): string {
  const [from, end] = [markup.indexOf(`<${name}`), markup.indexOf(`</${name}>`)]
  return from === -1 || end < from ? markup : markup.slice(0, from) + markup.slice(end + `</${name}>`.length)
}

function optionsOf({ title, description, series, unit, band, marks }: z.output<typeof seriesChartOptions>): EChartsOption {
  const named = [...(band ? [band.name ?? 'normal range'] : []), ...series.map(({ name }) => name)].map((name) => shortName(name))
  const ordered = [...marks].sort((a, b) => a.at.getTime() - b.at.getTime())
  const span = spanOf(series.flatMap(({ points }) => points).map(({ bucket }) => bucket.getTime()))
  return {
    animation: false,
    useUTC: true,
    backgroundColor: style.background,
    textStyle: { fontFamily: style.font, color: style.text },
    title: {
      text: printable(title),
      subtext: description === undefined ? '' : printable(description),
      left: 20,
      top: 14,
      itemGap: 8,
      textStyle: { fontSize: 19, fontWeight: 'bold', color: style.text },
      subtextStyle: { fontSize: 13, color: style.quiet },
    },
    legend: {
      show: named.length > 1,
      bottom: 12,
      left: 20,
      icon: 'roundRect',
      itemWidth: 18,
      itemHeight: 5,
      textStyle: { color: style.text, fontSize: 12.5 },
      data: named,
    },
    grid: {
      left: 24,
      right: 36,
      top: (description === undefined ? 70 : 92) + (marks.length > 0 ? 22 : 0),
      bottom: named.length > 1 ? 52 : 24,
      containLabel: true,
    },
    xAxis: {
      type: 'time',
      ...(span && { min: span.from, max: span.to }),
      axisLine: { lineStyle: { color: style.quiet } },
      axisTick: { lineStyle: { color: style.line } },
      axisLabel: {
        color: style.quiet,
        fontSize: 12,
        hideOverlap: true,
        formatter: {
          year: '{d} {MMM} {yyyy}',
          month: '{d} {MMM}',
          day: '{d} {MMM}',
          hour: '{HH}:{mm}',
          minute: '{HH}:{mm}',
          second: '{HH}:{mm}:{ss}',
        },
      },
      name: 'UTC',
      nameLocation: 'end',
      nameGap: 8,
      nameTextStyle: { color: style.quiet, fontSize: 11 },
    },
    yAxis: {
      type: 'value',
      name: unit === undefined ? '' : printable(unit),
      nameTextStyle: { color: style.quiet, fontSize: 12, align: 'right', padding: [0, 6, 0, 0] },
      axisLabel: { color: style.quiet, fontSize: 12, formatter: (value: number) => amount(value) },
      splitLine: { lineStyle: { color: style.line } },
    },
    series: [
      ...(band ? bandSeries(band) : []),
      ...series.map((each, index) => lineOf(each, style.series[index % style.series.length]!, index === 0 ? ordered : [], span)),
    ],
  }
}

function lineOf({ name, points }: ChartSeries, colour: string, marks: readonly ChartMark[], span: Span | undefined): SeriesOption {
  const sorted = [...points].sort((a, b) => a.bucket.getTime() - b.bucket.getTime())
  const gap = (index: number) => (sorted[index]?.value ?? null) === null
  return {
    type: 'line',
    name: shortName(name),
    showSymbol: true,
    showAllSymbol: true,
    itemStyle: { color: colour },
    lineStyle: { width: 2.4, color: colour },
    z: 3,
    // A point between two gaps has no line that would make it visible.
    data: sorted.map(({ bucket, value }, index) => ({
      value: [bucket.getTime(), value],
      symbol: gap(index - 1) && gap(index + 1) ? 'circle' : 'none',
      symbolSize: 6,
    })),
    markLine: {
      silent: true,
      symbol: 'none',
      data: marks.map(({ at, label, kind = 'neutral' }, index) => {
        const colour = kind === 'critical' ? style.critical : style.quiet
        const place = span && span.to > span.from ? (at.getTime() - span.from) / (span.to - span.from) : 0.5
        return {
          xAxis: at.getTime(),
          lineStyle: { color: colour, width: 1.5, type: 'dashed' as const },
          label: {
            formatter: printable(shortened(label, 40)),
            color: colour,
            fontSize: 12,
            fontWeight: 'bold' as const,
            align: place > 0.85 ? ('right' as const) : place < 0.15 ? ('left' as const) : ('center' as const),
            // Neighbouring labels alternate between two levels, so that they do not cover each
            // other.
            distance: [0, index % 2 === 0 ? 4 : 19],
          },
        }
      }),
    },
  }
}

/** The band in ECharts: an invisible line at its lower edge, with the height stacked on it. */
function bandSeries({ name = 'normal range', points }: NonNullable<SeriesChartOptions['band']>): SeriesOption[] {
  const sorted = [...points].sort((a, b) => a.bucket.getTime() - b.bucket.getTime())
  const common = {
    type: 'line' as const,
    stack: 'band',
    stackStrategy: 'all' as const,
    symbol: 'none',
    silent: true,
    lineStyle: { opacity: 0 },
    z: 1,
  }
  return [
    { ...common, name: 'lower edge', data: sorted.map(({ bucket, lower }) => [bucket.getTime(), lower]) },
    {
      ...common,
      name: shortName(name),
      itemStyle: { color: '#a9c9e6' },
      areaStyle: { color: '#a9c9e6', opacity: 0.5 },
      data: sorted.map(({ bucket, lower, upper }) => [bucket.getTime(), lower === null || upper === null ? null : upper - lower]),
    },
  ]
}

interface Span {
  from: number
  to: number
}

function spanOf(times: readonly number[]): Span | undefined {
  if (times.length === 0) return undefined
  return times.reduce(({ from, to }, time) => ({ from: Math.min(from, time), to: Math.max(to, time) }), { from: times[0]!, to: times[0]! })
}

const shortName = (name: string): string => printable(shortened(name, 60))
