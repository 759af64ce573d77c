import { expect, it } from 'vitest'
import { directProtobuf } from '../../../src/ingest/sources/direct/directPayload.ts'
import { protobufOf } from './otlpProtobuf.ts'

const span = {
  traceId: '44c32e3f07e8cd6a87b06b898aeee415',
  spanId: '7acc052cdd623042',
  startTimeUnixNano: '1795798573189000001',
  attributes: [{ key: 'k', value: { stringValue: 'value'.repeat(20) } }],
}

it('takes no longer for each part of a request that has many', () => {
  const part = protobufOf({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ spans: [span] }] }] })
  const bytes = Buffer.concat(Array.from({ length: 20_000 }, () => part))
  expect(directProtobuf(bytes)?.resourceSpans).toHaveLength(20_000)
})
