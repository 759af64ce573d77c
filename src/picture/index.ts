export { callState, type CallMeasures, type CallState } from './callState.ts'
export { graphPicture, type CallEdge, type GraphPictureOptions } from './graphPicture.ts'
export { picturePage, type PageSection, type PicturePageOptions } from './picturePage.ts'
export { seriesChart, type ChartMark, type ChartPoint, type ChartSeries, type SeriesChartOptions } from './seriesChart.ts'
