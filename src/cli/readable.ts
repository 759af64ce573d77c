import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { InvalidInputError } from '../schema/errors.ts'

/**
 * The size of a file; undefined of a pipe, which has none. Before anything is written: a misspelt
 * name should not be found out half-way.
 *
 * @throws InvalidInputError naming `field` when the file cannot be read.
 */
export async function sizeOfReadable(file: string, field: string): Promise<number | undefined> {
  try {
    const found = await stat(file)
    if (!found.isDirectory()) {
      await access(file, constants.R_OK)
      return found.isFile() ? found.size : undefined
    }
  } catch (cause) {
    throw new InvalidInputError(field, `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  throw new InvalidInputError(field, `${file} is a folder, and no file`)
}

/**
 * Refuses to write where a file that is still to be read stands, under this name or another one:
 * opening it for writing would empty it.
 */
export async function refuseInput(rejects: string, files: readonly string[]): Promise<void> {
  const [target, ...inputs] = await Promise.all([rejects, ...files].map((file) => stat(file).catch(() => undefined)))
  if (target?.isFile() && inputs.some((input) => input?.dev === target.dev && input.ino === target.ino))
    throw new InvalidInputError('--rejects', `${rejects} is one of the files to read, and would be emptied`)
}
