import type { QueryResult } from 'kysely'
import type { IngestReport } from '../ingestReport.ts'
import type { LoadOptions } from '../load.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import type { MalformedLine, SourceObject } from '../sources/otlpRequest.ts'
import type { RefusedInput } from '../sources/readOtlp.ts'
import type { ReadingOptions } from '../sources/requestsOf.ts'
import type { RecognisedText } from '../sources/text/readTextLogs.ts'
import type { Handed } from './calls.ts'

/** What the thread is started with. */
export interface ThreadData {
  tenantCode: string
  schema: string
  sources: readonly { path: string | undefined; origin: SourceObject | undefined }[]
  options: Omit<LoadOptions, 'resourceOf' | 'signal' | 'onWindow'> & Pick<ReadingOptions, 'format' | 'text'>
  /** Whether windows are wanted there: each is copied. */
  tellsWindows: boolean
}

/** The number of a transaction; 0 for what needs none. */
export type TransactionNumber = number

/** What the service's thread does: it has the sources, the database and the callbacks. */
export interface ServiceSide {
  ready(): void
  chunk(source: number): Promise<string | Handed<Uint8Array> | undefined>
  endSource(source: number): Promise<void>
  malformed(malformed: MalformedLine): void
  refused(refused: RefusedInput): void
  recognised(recognised: RecognisedText): void
  window(window: IngestWindow, report: IngestReport): void
  begin(): Promise<TransactionNumber>
  query(transaction: TransactionNumber, text: string, parameters: readonly unknown[]): Promise<Handed<QueryResult<unknown>>>
  end(transaction: TransactionNumber, how: 'commit' | 'roll back'): Promise<void>
}

/** What the other thread does. */
export interface ThreadSide {
  load(): Promise<IngestReport>
}
