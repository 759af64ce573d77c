import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const execute = promisify(execFile)

it('is loaded before a service, and its hook patches what the service imports as an ES module', async () => {
  const service = `
    import { request } from 'node:http'
    process.stdout.write(String('__wrapped' in request))
    process.exit()
  `
  const telemetry = new URL('../../../examples/shop/telemetry.ts', import.meta.url).href
  const { stdout } = await execute(process.execPath, ['--import', telemetry, '--input-type=module', '--eval', service], {
    env: { ...process.env, SHOP_SERVICE: 'frontend', SHOP_PORT_BASE: '18080', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' },
  })
  expect(stdout).toBe('true')
}, 30_000)
