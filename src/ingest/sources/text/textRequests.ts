import { hash } from 'node:crypto'
import type { OtlpLogRecord } from '../../../schema/otlp.ts'
import type { OtlpRequest, SourceObject } from '../otlpRequest.ts'
import type { TextRecord } from './textRecords.ts'

/** Makes requests of records: each its own, so that a file that has grown can be read again. */
export class TextRequests {
  readonly #attributes: { key: string; value: { stringValue: string } }[]
  readonly #origin: SourceObject
  /** Of all records before: a record is known by its first line and its place. */
  #digest: string

  /** @param digest of the records before, of a text that is continued. */
  constructor(service: string, origin: SourceObject, digest = service) {
    this.#attributes = [{ key: 'service.name', value: { stringValue: service } }]
    this.#origin = origin
    this.#digest = digest
  }

  get digest(): string {
    return this.#digest
  }

  of({ time, level, fields, body, first, line }: TextRecord): OtlpRequest {
    this.#digest = hash('sha256', `${this.#digest}\n${time}\n${first}`, 'base64')
    const record: OtlpLogRecord = {
      timeUnixNano: time,
      severityText: level,
      body: { stringValue: body },
      attributes: fields.map(([key, stringValue]) => ({ key, value: { stringValue } })),
    }
    return {
      payload: {
        resourceLogs: [{ resource: { attributes: this.#attributes }, scopeLogs: [{ scope: undefined, logRecords: [record] }] }],
      },
      refusedRecords: [],
      origin: this.#origin,
      line,
      digest: this.#digest,
    }
  }
}
