import { requiredExtensions } from '../capabilities.ts'
import { older } from '../older.ts'
import type { Check, Finding } from './check.ts'

/** Whether the required extensions are there, and whether the server has a later version of any. */
export const extensionsCheck: Check = {
  name: 'extensions',
  find({ server: { extensions } }) {
    const missing = requiredExtensions.flatMap((name): Finding[] => {
      const { installed, available } = extensions[name]
      if (installed !== null) return []
      return [
        {
          severity: 'error',
          code: 'extension-missing',
          message: `extension ${name} is ${available === null ? 'not on this server' : 'available but not installed'}`,
          remedy:
            available === null
              ? "install the extension's package on the server, or choose a server that offers it"
              : 'run `pgvantage migrate up`, which creates it',
        },
      ]
    })
    const outdated = Object.entries(extensions).flatMap(([name, { installed, available }]): Finding[] => {
      if (installed === null || available === null || !older(installed, available)) return []
      return [
        {
          severity: 'info',
          code: 'extension-update',
          message: `extension ${name} is at ${installed}, the server has ${available}`,
          remedy: `run \`alter extension ${name} update\``,
        },
      ]
    })
    return [...missing, ...outdated]
  },
}
