import { knownExtensions, requiredExtensions, type KnownExtension } from '../capabilities.ts'
import { creatableHere } from '../creatable.ts'
import { older } from '../older.ts'
import type { Check, Finding } from './check.ts'

/**
 * Checks that the required extensions are installed, and whether the server has a later version of
 * one.
 */
export const extensionsCheck: Check = {
  name: 'extensions',
  async find({ db, server: { extensions } }) {
    const missing = requiredExtensions.filter((name) => extensions[name].installed === null)
    const outdated = knownExtensions.filter((name) => {
      const { installed, available } = extensions[name]
      return installed !== null && available !== null && older(installed, available)
    })
    const creatable = missing.length === 0 ? new Set<KnownExtension>() : await creatableHere(db)
    return [
      ...missing.map((name) => missingFinding(name, extensions[name].available !== null, creatable.has(name))),
      ...outdated.map((name): Finding => {
        const { installed, available } = extensions[name]
        return {
          severity: 'info',
          code: 'extension-update',
          message: `extension ${name} is at ${installed}, the server has ${available}`,
          remedy: `run \`alter extension ${name} update\``,
          needs: 'superuser',
        }
      }),
    ]
  },
}

function missingFinding(name: KnownExtension, available: boolean, creatable: boolean): Finding {
  const finding = { severity: 'error', code: 'extension-missing' } as const
  if (!available) {
    return {
      ...finding,
      message: `extension ${name} is not on this server`,
      remedy: "install the extension's package on the server, or choose a server that offers it",
    }
  }
  const message = `extension ${name} is available but not installed`
  return creatable
    ? { ...finding, message, remedy: 'run `pgvantage migrate up`, which creates it', needs: 'owner' }
    : {
        ...finding,
        message,
        remedy: `run \`create extension ${name}\` in this database, then \`pgvantage migrate up\``,
        needs: 'superuser',
      }
}
