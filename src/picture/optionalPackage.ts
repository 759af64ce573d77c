import { MissingCapabilityError } from '../schema/errors.ts'

/**
 * Loads an optional package, which only users of pictures install.
 *
 * @throws MissingCapabilityError if it is not installed, with the command that installs it.
 */
export async function optionalPackage<Module>(name: string, what: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) throw cause
    throw new MissingCapabilityError(`${what} draws with the package ${name}, which is not installed: run \`npm install ${name}\``, {
      cause,
    })
  }
}
