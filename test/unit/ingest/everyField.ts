import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** Requests of a recording, in JSON. */
export const recorded = gunzipSync(readFileSync('examples/shop/recordings/calm.jsonl.gz'))
  .toString()
  .split('\n')
  .filter((line) => line !== '')
  .filter((_, at) => at % 20 === 0)

const attributes = [
  { key: 'text', value: { stringValue: 'GÉT "🦊" \\ \n' } },
  { key: 'whole', value: { intValue: '-9223372036854775808' } },
  { key: 'small', value: { intValue: 7 } },
  { key: 'nan', value: { doubleValue: 'NaN' } },
  { key: 'zero', value: { doubleValue: -0 } },
  { key: 'truth', value: { boolValue: false } },
  { key: 'bytes', value: { bytesValue: 'AAEC/w==' } },
  { key: 'list', value: { arrayValue: { values: [{ stringValue: '' }, {}, { arrayValue: { values: [] } }] } } },
  { key: 'map', value: { kvlistValue: { values: [{ key: 'a', value: { intValue: '9007199254740993' } }, { key: '' }] } } },
  { key: 'text', value: { stringValue: 'twice' } },
  { key: 'empty', value: {} },
  { value: { stringValue: 'no key' } },
]
const resource = { attributes, droppedAttributesCount: 3 }
const times = { startTimeUnixNano: '1795798573189000001', timeUnixNano: '1795798591498999999' }
const scope = { name: 'lib', version: '1', attributes }
const counts = { count: '7', sum: 1.5e-7, min: -0, max: 1e300, flags: 1 }

/** Requests with every field, in JSON. */
export const hostile = [
  {
    resourceSpans: [
      {
        resource,
        schemaUrl: 'x',
        scopeSpans: [
          {
            scope,
            spans: [
              {
                traceId: '44c32e3f07e8cd6a87b06b898aeee415',
                spanId: '7acc052cdd623042',
                parentSpanId: '0000000000000000',
                traceState: 'a=1',
                name: 'GET /é',
                kind: 2,
                startTimeUnixNano: '18446744073709551615',
                endTimeUnixNano: '11651379494838206464',
                attributes,
                events: [{ timeUnixNano: '1', name: 'e', attributes }],
                links: [{ traceId: '44c32e3f07e8cd6a87b06b898aeee415', spanId: '7acc052cdd623042', attributes, flags: 3 }],
                status: { code: 2, message: 'no' },
                flags: 769,
              },
              {},
            ],
          },
        ],
      },
      {},
    ],
  },
  {
    resourceLogs: [
      {
        resource: {},
        scopeLogs: [
          {
            logRecords: [
              {
                ...times,
                observedTimeUnixNano: '5',
                severityNumber: 17,
                severityText: 'error',
                eventName: 'e',
                body: { stringValue: 'x' },
              },
              { body: attributes[8]!.value, attributes, traceId: '', spanId: '', flags: 1 },
            ],
          },
        ],
      },
    ],
  },
  {
    resourceMetrics: [
      {
        resource,
        scopeMetrics: [
          {
            scope,
            metrics: [
              {
                name: 'g',
                unit: 's',
                description: 'd',
                metadata: attributes,
                gauge: { dataPoints: [{ ...times, attributes, asDouble: 'NaN' }, {}] },
              },
              {
                name: 's',
                sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...times, asInt: '-9223372036854775808', flags: 1 }] },
              },
              {
                name: 'h',
                histogram: {
                  aggregationTemporality: 1,
                  dataPoints: [
                    { ...times, ...counts, attributes, bucketCounts: ['1', '6', '0'], explicitBounds: [0.005, 1e-7] },
                    { ...times, bucketCounts: [9007199254740991], explicitBounds: [] },
                  ],
                },
              },
              {
                name: 'e',
                exponentialHistogram: {
                  aggregationTemporality: 2,
                  dataPoints: [
                    {
                      ...times,
                      ...counts,
                      attributes,
                      scale: -3,
                      zeroCount: '2',
                      zeroThreshold: 0.1,
                      positive: { offset: -5, bucketCounts: ['1', 0, 4] },
                      negative: {},
                    },
                  ],
                },
              },
              {
                name: 'y',
                summary: { dataPoints: [{ ...times, count: 2, sum: 3, quantileValues: [{ quantile: 0.5, value: 'Infinity' }, {}] }] },
              },
              { name: 'none' },
            ],
          },
        ],
      },
    ],
  },
].map((request) => JSON.stringify(request))
