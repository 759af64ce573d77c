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
