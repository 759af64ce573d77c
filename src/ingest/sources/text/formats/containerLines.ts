import { timePattern } from '../time/timePattern.ts'
import { objectIn } from './structuredFormats.ts'
import type { WrittenTime } from '../time/writtenTime.ts'

/** A line of a program, as a container's runtime kept it. */
export interface KeptLine {
  time: WrittenTime
  /** `stdout`, `stderr`. */
  stream: string
  text: string
  /** Whether the line goes on in the next one of its stream. */
  isPart: boolean
}

/** How a runtime keeps the lines of a program, each with a time. */
export interface ContainerFormat {
  readonly name: string
  read(line: string): KeptLine | undefined
}

const rfc3339 = timePattern('yyyy-MM-dd HH:mm:ss[.S]Z')
const kept = /(stdout|stderr) ([FP])(?: |$)/y

/** Kubernetes (CRI): `2025-01-02T15:04:05.000000000Z stdout F message`. */
const cri: ContainerFormat = {
  name: 'Kubernetes (CRI)',
  read(line) {
    const match = rfc3339.match(line, 0)
    if (match === undefined) return undefined
    kept.lastIndex = match.end + 1
    const found = kept.exec(line)
    return found === null ? undefined : { time: match.time, stream: found[1]!, text: line.slice(kept.lastIndex), isPart: found[2] === 'P' }
  },
}

/** Docker's json-file: `{"log": "message\n", "stream": "stdout", "time": "..."}`. */
const docker: ContainerFormat = {
  name: 'Docker (json-file)',
  read(line) {
    const object = objectIn(line)
    const { log, stream, time } = object ?? {}
    if (typeof log !== 'string' || typeof stream !== 'string' || typeof time !== 'string') return undefined
    const match = rfc3339.match(time, 0)
    if (match === undefined) return undefined
    // One that is longer than 16 kB is kept in parts; only the last ends with the line.
    const isWhole = log.endsWith('\n')
    return { time: match.time, stream, text: isWhole ? log.replace(/\r?\n$/, '') : log, isPart: !isWhole }
  },
}

export const containerFormats: readonly ContainerFormat[] = [cri, docker]
