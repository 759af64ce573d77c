import { monologExceptions, monologObject } from './monologExceptions.ts'

/**
 * What a text with a stack trace says: its exceptions with their messages, and for each where it
 * arose, which is the first frame that is not of a library. Null if the text has no frames.
 *
 * | frames of | and with them |
 * |---|---|
 * | Java, Kotlin, JavaScript, .NET | `Caused by`, `Suppressed`, `... 23 more`, `[cause]`, `--->` |
 * | Python | the message is after the frames, and the last frame is where it arose |
 * | Go | the first goroutine is the one that panicked |
 * | PHP, Ruby | `Stack trace:`, `Next`, `[stacktrace]` |
 * | Monolog, Laravel | `[object] (Type(code: 0): message at file:12)`, `[previous exception]`, also without frames |
 * | Rust | `panicked at`, also without frames, and `stack backtrace:` |
 * | Elixir, Erlang | `(app 1.0.0) lib/file.ex:12: Module.function/2`, `in function` |
 *
 * Frames and headers are left out; all other lines stay, before, between and after the frames. Of
 * more than four exceptions it keeps the first and the last three: the last is the cause.
 */
export function traceText(text: string): string | null {
  if (!text.includes('\n') && !text.includes(monologObject) && !text.includes(' panicked at ')) return null
  if (text.includes('\\n[stacktrace]')) return traceText(text.replaceAll('\\n', '\n'))
  const trace = new Trace()
  const grouped = text.includes('Exception Group Traceback')
  for (let from = 0; from <= text.length;) {
    const end = text.indexOf('\n', from)
    const to = end === -1 ? text.length : end
    const head = text.slice(from, Math.min(to, from + maxLine))
    const line = (to > from + maxLine && head.includes(monologObject) ? text.slice(from, Math.min(to, from + maxMonolog)) : head).trimEnd()
    trace.add(grouped ? line.replace(/^ *[|+] ?/, '') : line)
    if (end === -1) break
    from = end + 1
  }
  return trace.text()
}

/** Of a longer line the beginning counts. */
const maxLine = 500
/** A message of Monolog is followed by its exception in the same line. */
const maxMonolog = 8_000
const maxSaid = 300
const maxWhere = 120
const maxSections = 4

interface Section {
  said: string
  frame: Frame | null
  framed: boolean
}

interface Frame {
  where: string
  isLibrary: boolean
}

class Trace {
  readonly #first: Section[] = []
  #last: Section[] = []
  #section: Section = { said: '', frame: null, framed: false }
  #found = false
  /** Which lines are frames, or belong to them. */
  #inside: 'python' | 'go' | 'rust' | null = null
  /** The function of a frame of Go or Rust, whose file is on the next line. */
  #function: string | null = null
  #goroutines = 0
  #inMonolog = false

  add(line: string): void {
    if (line === '') {
      if (this.#inside === 'go') this.#inside = null
      return
    }
    if (this.#inside === 'go') return this.#addGo(line)
    if (/^goroutine \d+ /.test(line) && line.endsWith(']:')) {
      this.#inside = 'go'
      this.#goroutines += 1
      this.#found = true
      return
    }
    if (this.#goroutines > 0 && /^\s+\S+\.go:\d+/.test(line)) return
    if (/^\s*[Ss]tack backtrace:$/.test(line)) {
      this.#inside = 'rust'
      return
    }
    if (this.#inside === 'rust' && this.#addRust(line)) return
    if (this.#addPanic(line) || this.#addMonolog(line)) return
    if (/^\s*(?:Exception Group )?Traceback \(most recent call last\):/.test(line)) {
      if (this.#section.framed) this.#next()
      this.#inside = 'python'
      this.#found = true
      return
    }
    const python = /^\s*File "([^"]*)", line \d+(?:, in (.*))?/.exec(line)
    if (python !== null && (this.#inside === 'python' || /^\s/.test(line))) {
      this.#inside = 'python'
      return this.#frame({ where: `${python[2] ?? ''} (${python[1]})`, isLibrary: isLibrary(line, python[2] ?? '') }, true)
    }
    if (this.#inside === 'python') {
      if (/^\s/.test(line)) return
      this.#inside = null
      return this.#say(line)
    }
    const frame = frameOf(line)
    if (frame !== null) {
      if (frame.said !== '') this.#say(frame.said)
      return this.#frame(frame, false)
    }
    if (isHeader(line)) return
    if (isCause(line)) this.#next()
    this.#say(line)
  }

  text(): string | null {
    if (this.#inside === 'rust') this.#endRust()
    if (!this.#found) return null
    this.#next()
    const text = [...this.#first, ...this.#last]
      .map(({ said, frame }) => (frame === null ? said : `${said} at ${frame.where}`).trim())
      .filter((part) => part !== '')
      .join(' ')
    return text === '' ? null : text
  }

  #addGo(line: string): void {
    const file = /^\s+(\S+?):\d+(?: |$)/.exec(line)
    if (file !== null) {
      if (this.#function !== null && this.#goroutines === 1)
        this.#frame({ where: this.#function, isLibrary: isLibrary(`(${file[1]}`, this.#function) }, false)
      this.#function = null
      return
    }
    const open = line.lastIndexOf('(')
    if (/^\s/.test(line) || (open <= 0 && !line.startsWith('created by '))) {
      this.#inside = null
      if (!isHeader(line)) this.#say(line)
      return
    }
    this.#function = line.startsWith('created by ') || line.startsWith('panic(') ? null : line.slice(0, open)
  }

  /** A frame is its number and function, and mostly its file on the next line. */
  #addRust(line: string): boolean {
    const file = /^\s+at (\S+)$/.exec(line)
    if (file !== null) {
      if (this.#function !== null)
        this.#frame({ where: this.#function, isLibrary: isLibrary(`(${file[1]}`, '') || isRustLibrary(this.#function) }, false)
      this.#function = null
      return true
    }
    this.#endRust()
    const named = /^\s+\d+: +(?:0x[0-9a-f]+ - )?(\S.*)$/.exec(line)
    if (named === null) {
      this.#inside = null
      return false
    }
    this.#function = named[1]!.replace(/::h[0-9a-f]{16}$/, '')
    return true
  }

  /** The last function, if it has no file. */
  #endRust(): void {
    if (this.#function !== null) this.#frame({ where: this.#function, isLibrary: isRustLibrary(this.#function) }, false)
    this.#function = null
  }

  /** Rust's, whose message follows in the next line, or was quoted in this one. */
  #addPanic(line: string): boolean {
    const at = line.indexOf("' panicked at ")
    if (at === -1 || !line.includes("thread '")) return line.startsWith('note: ') && this.#found
    const rest = line.slice(at + 14)
    const place = /(?:^|, )(\S+):\d+:\d+:?$/.exec(rest)
    if (place === null) return false
    const message = rest.slice(0, place.index)
    this.#say(`${line.slice(0, line.indexOf("thread '"))}panicked ${message.replace(/^'|'$/g, '')}`.trimEnd())
    this.#frame({ where: withoutExtension(place[1]!, 2), isLibrary: isLibrary(`(${place[1]}`, '') }, false)
    return true
  }

  /**
   * The exceptions in a line of Monolog; where they arose is all there is if it writes no frames.
   */
  #addMonolog(line: string): boolean {
    const read = monologExceptions(line)
    if (read === null) return this.#inMonolog && line.startsWith('"}')
    this.#inMonolog = true
    const { message, exceptions } = read
    if (exceptions.length === 0) this.#say(line)
    for (const [index, exception] of exceptions.entries()) {
      const isFirst = index === 0 && message !== ''
      if (!isFirst) this.#next()
      if (isFirst) this.#say(message.slice(0, Math.max(maxSaid - exception.type.length - 1, maxSaid / 2)))
      const isSaid = isFirst && message.includes(exception.message.slice(0, maxSaid / 2))
      this.#say(isSaid ? exception.type : `${exception.type}: ${exception.message}`)
      const { path } = exception
      if (path !== null) this.#frame({ where: withoutExtension(path, 1), isLibrary: isLibrary(`(${path}`, '') }, false)
    }
    return true
  }

  #say(line: string): void {
    const said = typeWithoutDigits(line.trim())
    const room = maxSaid - this.#section.said.length
    if (room > 0) this.#section.said = `${this.#section.said} ${said.slice(0, room)}`.trimStart()
  }

  /** @param late whether a later frame is nearer to where it arose. */
  #frame(frame: Frame, late: boolean): void {
    this.#found = true
    const section = this.#section
    section.framed = true
    const better =
      section.frame === null || (late ? section.frame.isLibrary || !frame.isLibrary : section.frame.isLibrary && !frame.isLibrary)
    if (better) section.frame = { where: functionWithoutDigits(frame.where.trim().slice(0, maxWhere)), isLibrary: frame.isLibrary }
  }

  #next(): void {
    if (this.#section.said === '' && this.#section.frame === null) return
    if (this.#first.length === 0) this.#first.push(this.#section)
    else {
      this.#last.push(this.#section)
      if (this.#last.length >= maxSections) this.#last = this.#last.slice(1)
    }
    this.#section = { said: '', frame: null, framed: false }
  }
}

/** A word with a digit is masked: of `psycopg2.DataError` the type alone stays. */
function typeWithoutDigits(line: string): string {
  const name = /^(?:Caused by: )?[\w.]{1,128}(?=:|$)/.exec(line)?.[0] ?? ''
  const dot = name.lastIndexOf('.')
  const type = name.slice(dot + 1)
  return dot === -1 || !/\d/.test(name) || /\d/.test(type)
    ? line
    : line.slice(0, name.startsWith('Caused by: ') ? 11 : 0) + type + line.slice(name.length)
}

/** Functions without names are numbered: `main.func1`, `lambda$3`. */
function functionWithoutDigits(where: string): string {
  const path = where.indexOf(' (')
  const name = path === -1 ? where : where.slice(0, path)
  return name.includes('/') ? where : name.replace(/\$?\d+/g, '').replaceAll('\\\\', '\\') + where.slice(name.length)
}

/** A frame on one line, and what Ruby says on the line of its first frame. */
function frameOf(line: string): (Frame & { said: string }) | null {
  const at = /^\s+at (?:async |new )?(?=\S)/.exec(line)
  if (at !== null && /[(.:/<]/.test(line)) return { ...placed(line.slice(at[0].length)), said: '' }
  const numbered = /^\s*#\d+ +(?=\{main\}|\[internal function\]|[^\s(]+\(\d+\))/.exec(line)
  if (numbered !== null) {
    const [file = '', called = ''] = line.slice(numbered[0].length).split(': ', 2)
    const path = file.split('(', 1)[0]!
    return { where: `${called.split('(', 1)[0]!} (${path})`, isLibrary: !path.includes('.') || isLibrary(`(${path}`, ''), said: '' }
  }
  const inside = line.indexOf(':in ')
  const place = inside === -1 ? null : /:\d+$/.exec(line.slice(0, inside))
  if (place !== null && /^[`'"]/.test(line.slice(inside + 4))) {
    const path = line.slice(0, place.index).replace(/^\s*(?:\d+: )?(?:from )?/, '')
    const rest = line.slice(inside + 5)
    const close = /['"]/.exec(rest)?.index ?? rest.length
    return {
      where: `${rest.slice(0, close)} (${path})`,
      isLibrary: isLibrary(`(${path}`, ''),
      said: rest.slice(close + 1).replace(/^: /, ''),
    }
  }
  const beam = beamFrame(line)
  if (beam !== null) return beam
  // Firefox and Safari.
  const sign = line.indexOf('@')
  if (sign >= 0 && /:\d+:\d+$/.test(line) && !/\s/.test(line.trim())) {
    return { where: line.slice(0, sign).trim(), isLibrary: isLibrary(line, ''), said: '' }
  }
  return null
}

/**
 * Elixir's, `(app 1.0.0) lib/file.ex:12: Module.function/2`, and Erlang's,
 * `in function module:function/2`.
 */
function beamFrame(line: string): (Frame & { said: string }) | null {
  const erlang = /^\s+in (?:function|call from) +(\S+)/.exec(line)?.[1]
  if (erlang !== undefined) return { ...called(erlang), isLibrary: beamLibrary.test(erlang.split(':', 1)[0]!), said: '' }
  const frame = line.trimStart()
  if (frame === line) return null
  const close = frame.startsWith('(') ? frame.indexOf(') ') : -1
  const placed = /^[^\s:]+:\d+: (.+)$/.exec(close === -1 ? frame : frame.slice(close + 2))
  if (placed === null || (close === -1 && !/^[^:]+\.exs?:/.test(frame))) return null
  return { ...called(placed[1]!), isLibrary: beamLibrary.test(/^\w*/.exec(frame.slice(1))![0]), said: '' }
}

/** A function without its arguments, or their number. */
const called = (text: string) => ({ where: text.split('(', 1)[0]!.replace(/\/\d{1,3}$/, '') })

/** Java's, JavaScript's and .NET's: a function with its file, its arguments, or neither. */
function placed(frame: string): Frame {
  const open = frame.indexOf('(')
  if (open === -1) return { where: frame.replace(/(?::\d+)?:\d+$/, ''), isLibrary: isLibrary(`(${frame}`, frame) }
  const name = frame.slice(0, open).trim()
  const inner = frame.slice(open + 1, frame.includes(')', open) ? frame.indexOf(')', open) : undefined)
  const isPath = /[/\\]/.test(inner)
  const where = isPath ? `${name} (${inner.replace(/(?::\d+)?:\d+$/, '')})` : name
  return { where, isLibrary: isLibrary(frame, name) }
}

/** Whether a frame is of a language's own library or of a package: by its path, and by its name. */
function isLibrary(frame: string, name: string): boolean {
  return libraryPaths.some((path) => frame.includes(path)) || libraryName.test(name)
}

/** The end of a path, without its extension: with it, a mask would take it for a host. */
function withoutExtension(path: string, parts: number): string {
  return path
    .split(/[/\\]+/)
    .slice(-parts)
    .join('/')
    .replace(/\.\w+$/, '')
}

const isRustLibrary = (name: string) =>
  /^<?(?:std|core|alloc|tokio|futures|futures_util|anyhow|eyre|color_eyre|backtrace|rust_begin_unwind|__rust|hyper|tower|axum|actix_web)\b/.test(
    name,
  ) || !name.includes('::')

const beamLibrary =
  /^(?:elixir|stdlib|kernel|erts|plug\w*|cowboy\w*|ranch|phoenix\w*|ecto\w*|db_connection|postgrex|telemetry|oban|bandit|thousand_island|finch|mint|jason|gen_\w+|proc_lib|supervisor|erlang|lists|maps)$/

const builtIn = ['<frozen ', '<internal:', '<anonymous>', 'node:', '(internal/', '(/rustc/']
const packages = ['.cargo/registry', 'node_modules', 'site-packages', 'dist-packages', 'vendor', 'gems', 'rubygems']
const installed = ['/lib/python', '/lib/ruby/', '/go/pkg/mod/', '/local/go/', '/lib/go', '/src/runtime/']
const libraryPaths = [...builtIn, ...installed, ...packages.flatMap((name) => [`${name}/`, `${name}\\`])]
const libraryName =
  /^(?:[\w.@-]{1,64}\/{1,2})?(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|akka|android|org\.springframework|org\.apache|org\.hibernate|org\.eclipse|io\.netty|reactor|runtime|reflect|System|Microsoft)\./

const isHeader = (line: string) =>
  /^\s*(?:\.{3} \d+ |\[Previous line repeated|--- End of |Stack trace:$|Last message(?: \(from [^)]*\))?: |State: [%{[#]|\[stacktrace\]$|During handling of the above exception|The above exception was the direct cause|exit status \d|\+?-{3,}(?: \d+ -{3,})?$|\^+$)/.test(
    line,
  )

const isCause = (line: string) =>
  /^\s*(?:Caused by: |Wrapped by: |Suppressed: |Cause: |\[cause\]: |\[previous exception\]|Next |---> )/.test(line)
