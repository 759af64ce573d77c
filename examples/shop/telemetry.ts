/**
 * Loaded into every service before its own code (`node --import`): the OpenTelemetry SDK with the HTTP, pg, pino and runtime instrumentations,
 * exporting OTLP/JSON over HTTP to `OTEL_EXPORTER_OTLP_ENDPOINT`.
 */
import { register } from 'node:module'
import { metrics } from '@opentelemetry/api'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPMetricExporter, AggregationTemporalityPreference } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { PinoInstrumentation } from '@opentelemetry/instrumentation-pino'
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { AggregationType, PeriodicExportingMetricReader, type AggregationOption, type ViewOptions } from '@opentelemetry/sdk-metrics'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace'
import { onStop } from './lib/control.ts'
import { required, serviceName } from './lib/environment.ts'
import { visitorOnLogs, visitorOnSpans } from './lib/visitor.ts'
import { services } from './topology.ts'

// Patches ES modules: without it `import { request } from 'node:http'` would get the original. It is found from where an instrumentation finds it: the
// package comes with each of them, and need not be at the top of node_modules.
register('@opentelemetry/instrumentation/hook.mjs', import.meta.resolve('@opentelemetry/instrumentation-http'))

// A recorded exception carries its stack, and with it the paths of the machine that recorded it.
Error.stackTraceLimit = 0

const name = serviceName()
const { version, temporality, histogram } = services[name]
const collectorPort = Number(new URL(required('OTEL_EXPORTER_OTLP_ENDPOINT')).port)

const durationBuckets: Record<typeof histogram, AggregationOption> = {
  explicit: {
    type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM,
    options: { boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
  },
  exponential: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 80 } },
}

const drop = (instrumentName: string): ViewOptions => ({ instrumentName, aggregation: { type: AggregationType.DROP } })
const views: ViewOptions[] = [
  { instrumentName: 'http.server.request.duration', aggregation: durationBuckets[histogram] },
  // Of the runtime's metrics the ones somebody would look at: event loop delay (mean, p99) and utilisation.
  ...['min', 'max', 'stddev', 'p50', 'p90'].map((statistic) => drop(`nodejs.eventloop.delay.${statistic}`)),
  drop('nodejs.eventloop.time'),
  drop('v8js.*'),
]

const sdk = new NodeSDK({
  // Only what is stated: the host and process detectors would publish the recording machine's names and paths.
  autoDetectResources: false,
  resource: resourceFromAttributes({
    'service.name': name,
    'service.namespace': 'shop',
    'service.version': version,
    'service.instance.id': crypto.randomUUID(),
    'deployment.environment.name': 'demo',
  }),
  spanProcessors: [visitorOnSpans, new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: 10_000 })],
  logRecordProcessors: [visitorOnLogs, new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(), scheduledDelayMillis: 10_000 })],
  metricReaders: [
    new PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter({
        temporalityPreference:
          temporality === 'delta' ? AggregationTemporalityPreference.DELTA : AggregationTemporalityPreference.CUMULATIVE,
      }),
      exportIntervalMillis: 15_000,
      exportTimeoutMillis: 10_000,
    }),
  ],
  views,
  instrumentations: [
    // The exporters' own requests make no spans, but would otherwise be counted in http.client.request.duration.
    new HttpInstrumentation({ ignoreOutgoingRequestHook: ({ port }) => Number(port) === collectorPort }),
    new PgInstrumentation({ requireParentSpan: true, ignoreConnectSpans: true }),
    new PinoInstrumentation({ disableLogCorrelation: true }),
    new RuntimeNodeInstrumentation(),
  ],
})
sdk.start()
onStop(() => sdk.shutdown())

metrics
  .getMeter('shop.process')
  .createObservableUpDownCounter('process.memory.usage', { description: 'The amount of physical memory in use', unit: 'By' })
  .addCallback((result) => result.observe(process.memoryUsage.rss()))
