import { hostname } from 'node:os'
import { z } from 'zod'
import { durationText, milliseconds } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { parse, parseOptions } from '../../schema/parse.ts'
import { boundedText } from '../../schema/text.ts'
import { eitherFormatOrText, loadOptions, type IngestOptions } from '../ingest.ts'
import { hashKeyGiven } from '../records/dimension.ts'
import { requestFormats } from '../sources/requestFormat.ts'
import type { FollowEvent } from './followEvents.ts'
import type { FollowProgress, FollowReport } from './followReport.ts'
import { Following } from './following.ts'

export interface FollowOptions extends Omit<IngestOptions, 'origin' | 'signal'> {
  /**
   * Ends the following: what was read is committed and rolled up, and the report is returned.
   * Without it only an error ends it.
   */
  signal?: AbortSignal
  /**
   * The machine that the files are on: positions are kept for each. In a container, whose own name
   * changes, the name of its node. Default: the host's name.
   */
  node?: string
  /** How often the files are looked at: a PostgreSQL interval. Default: `'1 second'`. */
  pollEvery?: string
  /** How often the rows of windows are written. Default: `'1 minute'`. */
  writeEvery?: string
  /**
   * After so long without a change a record that could go on in another line is taken as whole, and
   * files that do not grow are read: compressed ones, single messages, what was renamed or deleted.
   * Default: `'10 seconds'`.
   */
  quietAfter?: string
  /** Called for what happens to files and to the connection. */
  onEvent?: (event: FollowEvent) => void
  /** Called after each look at the files. */
  onProgress?: (progress: FollowProgress) => void
}

const followOptions = z
  .strictObject({
    ...loadOptions,
    format: z.enum(requestFormats).optional(),
    node: boundedText(255).optional(),
    pollEvery: durationText.default('1 second'),
    writeEvery: durationText.default('1 minute'),
    quietAfter: durationText.default('10 seconds'),
    onEvent: z.custom<FollowOptions['onEvent']>().optional(),
    onProgress: z.custom<FollowOptions['onProgress']>().optional(),
  })
  .superRefine(hashKeyGiven)
  .superRefine(eitherFormatOrText)

const fileNames = z.array(z.string().min(1)).min(1)

/**
 * Loads files as they grow and rotate, for weeks, each record once.
 *
 * | | |
 * |---|---|
 * | files | paths and patterns (`/var/log/app/*.log*`), also of files that are not there yet |
 * | a file | is known by its device and inode, its first bytes, and the bytes before its position; not by its name |
 * | a position | is written in the transaction that adds the records before it to the journal: killed at any moment, the next run continues exactly there |
 * | rotation by renaming, with or without a new file | the renamed file is read to its end; the new one from its beginning |
 * | rotation by copying and truncating | the copy continues where the original was, if it is one of the files |
 * | a last line without an end | is read when its end is there |
 * | compressed files | are read when they are complete; one whose content was read before it was compressed continues there |
 * | two followers of one file | the second one waits, and takes it when the first has ended |
 * | an unreachable database | is waited for |
 * | memory | does not grow with the files |
 *
 * @example
 * const stop = new AbortController()
 * process.once('SIGTERM', () => stop.abort())
 * const report = await followFiles(scope, ['/var/log/shop/*.log*'], {
 *   text: { service: 'shop' },
 *   signal: stop.signal,
 *   onEvent: ({ file, message }) => console.warn(file, message),
 * })
 *
 * // what `ingest` executes, and with each addition to the journal
 * // update "public"."ingest_file" as file set position = given.position, tail = given.tail, ...
 * // from jsonb_to_recordset($1::jsonb) as given (...) where file.file_id = given.id
 *
 * @param files paths and patterns.
 * @throws InvalidInputError if an option is wrong, or the scope is a transaction's; the database's
 * error if it will not pass by waiting (a full disk, a missing right): what was not written is read
 * again by the next run.
 */
export async function followFiles(scope: Scope, files: readonly string[], options: FollowOptions = {}): Promise<FollowReport> {
  const { pollEvery, writeEvery, quietAfter, node = hostname(), ...parsed } = parseOptions(followOptions, options)
  const names = parse(fileNames, files, 'files')
  if (scope.db.isTransaction) {
    throw new InvalidInputError('db', 'must not be a transaction: what is read is committed again and again')
  }
  const times = { poll: milliseconds(pollEvery), write: milliseconds(writeEvery), quiet: milliseconds(quietAfter) }
  return new Following(scope, names, { ...parsed, node, times }).run()
}
