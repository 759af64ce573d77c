export { metricMeasures, metricSeries, type MetricMeasure, type MetricSeriesOptions } from './metricSeries.ts'
