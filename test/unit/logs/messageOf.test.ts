import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { saidIn, withoutValues } from '../../../src/logs/messageOf.ts'
import { patternOf } from '../../../src/logs/pattern.ts'
import type { Json } from '../../../src/schema/text.ts'

const pattern = (body: Json, fields?: string[]) => patternOf(withoutValues(saidIn(body, fields).text))

describe('a structured body', () => {
  it.each<[Json, string]>([
    ['{"level":"error","msg":"order 12 lost"}', 'order <*> lost'],
    ['{"level":"error","Message":"lost"}', 'lost'],
    [{ MESSAGE: 'Started ssh.service', _PID: '12' }, 'Started ssh.service'],
    [{ MESSAGE: [...Buffer.from('disk \x01 full')], PRIORITY: '3' }, 'disk \x01 full'],
    [{ event: 'cart emptied', user: 'ann' }, 'cart emptied'],
    [{ log: '{"msg":"inner","level":"warn"}\n', stream: 'stdout' }, 'inner'],
    [{ '@mt': 'Took {Elapsed}', '@m': 'Took 5' }, 'Took {Elapsed}'],
    [{ user: 'ann', order: { id: 7, lines: [{ n: 1 }, { n: 2 }] } }, 'order.id=<*> order.lines[].n=<*> user=<*>'],
    ['{"user":"bob","order":{"lines":[{"n":9}],"id":8}}', 'order.id=<*> order.lines[].n=<*> user=<*>'],
    [{ log: { level: 'info', severity: 3 }, event: 'found beside an object' }, 'found beside an object'],
    [{ '8812': 'x', '8813': 'y' }, '<*>=<*>'],
    ['{"msg":"cut off after 7 by", "rest": "aaaa', 'cut off after <*> by'],
    ['time=2026-01-01T00:00:00Z level=info msg="cache \\"a\\" warmed" n=3', 'cache "<*>" warmed'],
    ['_PID=7\nPRIORITY=3\nMESSAGE=unit failed\n', 'unit failed'],
  ])('%j says %j', (body, said) => {
    expect(pattern(body)).toBe(said)
  })

  it('is read for the fields given', () => {
    expect(pattern({ message: 'a', note: { text: 'b' } }, ['note.text'])).toBe('b')
  })

  it('is text if it is not quite JSON', () => {
    expect(pattern('[db] lost')).toBe('[db] lost')
    expect(pattern('user=ann did not log in, message follows')).toBe('user=<*> did not log in, message follows')
  })

  it('with an exception of Monolog beside its message names it, and those before', () => {
    const previous = { class: 'PDOException', message: 'refused', code: 2002, file: '/app/Db.php:7' }
    const exception = { class: 'App\\OrderException', message: 'no order 17', code: 0, file: '/app/Orders.php:50', trace: [], previous }
    const body = { message: 'no order 17', context: {}, level: 400, level_name: 'ERROR', channel: 'app', exception }
    expect(pattern(body)).toBe('no order <*> App\\OrderException at Orders PDOException: refused at Db')
    expect(pattern({ ...body, exception: { ...exception, file: null } })).toBe('no order <*>')
    expect(pattern({ ...body, exception: { type: 'a.B', stacktrace: 'a.B: no\n\tat shop.Cart.add(Cart.java:1)' } })).toBe(
      'no order <*> a.B: no at shop.Cart.add',
    )
    expect(pattern({ ...body, message: 'an [object] (was sold', exception: 5 })).toBe('an [object] (was sold')
  })

  it('with a trace beside its message names the cause', () => {
    const body = (cause: string) => ({ message: 'refused', stack_trace: `java.lang.${cause}: no\n\tat shop.Pay.run(Pay.java:3)` })
    expect(pattern(body('IllegalStateException'))).toBe('refused java.lang.IllegalStateException: no at shop.Pay.run')
    expect(pattern(body('Error'))).not.toBe(pattern(body('IllegalStateException')))
  })
})

describe('syslog', () => {
  it.each([
    ['<34>1 2003-10-11T22:14:15.003Z host su - ID47 - failed for lonvick', 'failed for lonvick', 'FATAL'],
    ['<165>1 2003-08-24T05:14:15Z host app 12 - [x@32473 a="1\\"]" b="2"][y] \ufeffstarted', 'started', 'INFO'],
    ['<11>Oct 11 22:14:15 mymachine su[12]: failed', 'failed', 'ERROR'],
    ['Oct  1 22:14:15 mymachine sshd[12]: closed', 'closed', null],
    ['<14>Oct 11 22:14:15 h app: {"level":"error","msg":"inner"}', 'inner', 'ERROR'],
    ['<b>bold</b>', '<b>bold</b>', null],
  ])('%j says %j', (body, text, severity) => {
    expect(saidIn(body)).toEqual({ text, severity })
  })
})

describe('a stack trace', () => {
  it.each([
    [
      'Java',
      'a.Oops: request 5 failed\n\tat java.base/java.util.List.of(List.java:1)\n\tat shop.Cart.add(Cart.java:12)\n\tSuppressed: a.Closed: x\n\t\tat shop.Cart.close(Cart.java:9)\nCaused by: b.Deadlock: row 7\n\tat shop.Db.run(Db.java:2)\n\t... 23 more',
      'a.Oops: request <*> failed at shop.Cart.add Suppressed: a.Closed: x at shop.Cart.close Caused by: b.Deadlock: row <*> at shop.Db.run',
    ],
    [
      'Python',
      'job 5 failed\nTraceback (most recent call last):\n  File "/app/a.py", line 1, in run\n    go()\n  File "/usr/lib/python3/site-packages/x.py", line 9, in send\n    raise\nx2.Refused: no route',
      'job <*> failed Refused: no route at run (/app/a.py)',
    ],
    [
      'Python, one exception while another was handled',
      'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\n    g()\nKeyError: \'a\'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File "/app/b.py", line 3, in h\n    f()\nValueError: bad',
      "KeyError: '<*>' at f (/app/a.py) ValueError: bad at h (/app/b.py)",
    ],
    [
      'Go',
      'panic: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nruntime.panicIndex(0x5)\n\t/usr/local/go/src/runtime/panic.go:88 +0x1\nmain.(*Cart).add(0xc0000)\n\t/app/cart.go:12 +0x1d\nmain.main()\n\t/app/main.go:5\n\ngoroutine 7 [select]:\nmain.idle()\n\t/app/idle.go:3\nexit status 2',
      'panic: index out of range [<*>] with length <*> at main.(*Cart).add',
    ],
    [
      '.NET',
      'System.InvalidOperationException: outer\n ---> Shop.Refused: inner\n   at Shop.Pay.Run(String id) in /src/Pay.cs:line 12\n   --- End of inner exception stack trace ---\n   at System.Threading.Tasks.Task.Wait()\n   at Shop.Main.Go()',
      'System.InvalidOperationException: outer ---> Shop.Refused: inner at Shop.Pay.Run',
    ],
    [
      'PHP',
      'PHP Fatal error:  Uncaught Exception: no stock in /app/cart.php:12\nStack trace:\n#0 /app/vendor/x/y.php(3): call()\n#1 /app/index.php(9): Cart->add(5)\n#2 {main}\n  thrown in /app/cart.php on line 12',
      'PHP Fatal error: Uncaught Exception: no stock in <*> thrown in /app/cart.php on line <*> at Cart->add (/app/index.php)',
    ],
    [
      'Ruby',
      "/app/cart.rb:12:in 'add': no stock (RuntimeError)\n\tfrom /usr/lib/ruby/gems/3/x.rb:4:in 'call'\n\tfrom /app/main.rb:3:in '<main>'",
      'no stock (RuntimeError) at add (/app/cart.rb)',
    ],
    [
      'JavaScript',
      "TypeError: x is undefined\n    at node:internal/a:1:2\n    at add (/app/cart.js:12:5)\n    at async run (/app/main.js:3:1) {\n  [cause]: Error: refused\n      at connect (/app/db.js:1:1)\n  code: 'X'\n}",
      "TypeError: x is undefined at add (/app/cart.js) [cause]: Error: refused code: '<*>' } at connect (/app/db.js)",
    ],
    [
      'Laravel, which may put an exception of a library around a call of ours',
      String.raw`[2024-01-01 00:00:00] production.ERROR: cannot load order 17 {"userId":5,"exception":"[object] (App\\OrderException(code: 0): cannot load order 17 at /app/vendor/x/Db.php:50)` +
        '\n[stacktrace]\n#0 /app/vendor/x/y.php(22): Db->run(17)\n' +
        String.raw`#1 /app/Repo.php(9): App\\Repo->load(17)` +
        '\n#2 {main}\n"} []',
      '[<*>] production.ERROR: cannot load order <*> App\\OrderException at App\\Repo->load (/app/Repo.php)',
    ],
    [
      'Monolog with the cause',
      String.raw`failed {"exception":"[object] (App\\OrderException(code: 0): no order at /app/Orders.php:50)` +
        '\n[stacktrace]\n#0 /app/vendor/x/y.php(22): call()\n#1 {main}\n\n' +
        String.raw`[previous exception] [object] (PDOException(code: 2002): refused at /app/Db.php:7)` +
        '\n[stacktrace]\n#0 {main}\n"}',
      'failed App\\OrderException: no order at Orders PDOException: refused at Db',
    ],
    [
      'Monolog in one line, with those of before behind commas',
      String.raw`failed {"exception":"[object] (A\\B(code: 0): no order at /app/Orders.php:50, PDOException(code: HY000): refused at /app/Db.php:7)"} []`,
      'failed A\\B: no order at Orders PDOException: refused at Db',
    ],
    [
      'Monolog in one line, with its frames',
      String.raw`failed {"exception":"[object] (A\\B(code: 0): no order at /app/vendor/z.php:50)\n[stacktrace]\n#0 /app/Repo.php(9): Repo->load()\n#1 {main}\n"}`,
      'failed A\\B: no order at Repo->load (/app/Repo.php)',
    ],
    [
      'Rust, whose panic need not have a trace',
      "thread 'worker-3' panicked at src/cart.rs:42:17:\ncalled `Option::unwrap()` on a `None` value\nnote: run with `RUST_BACKTRACE=1` to display a backtrace",
      'panicked called `Option::unwrap()` on a `None` value at src/cart',
    ],
    ['Rust before 1.73', "thread 'main' panicked at 'no stock: 5', src/cart.rs:42:17", 'panicked no stock: <*> at src/cart'],
    [
      'Rust in a library',
      "thread 'main' panicked at /rustc/07dc/library/core/src/option.rs:1649:5:\nno stock\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/07dc/library/std/src/panicking.rs:645:5\n   1: core::option::unwrap_failed\n   2: shop::cart::Cart::total::h0123456789abcdef\n             at ./src/cart.rs:42:17\n   3: shop::main\nnote: Some details are omitted",
      'panicked no stock at shop::cart::Cart::total',
    ],
    [
      'Elixir',
      'GenServer #PID<0.12.0> terminating\n** (KeyError) key :sku not found in: %{id: 17}\n    (plug 1.15.2) lib/plug/router.ex:246: anonymous fn/4 in Plug.Router.dispatch/2\n    (shop 0.1.0) lib/shop/cart.ex:12: Shop.Cart.sku/1\nLast message: {:tcp_closed, #Port<0.5>}\nState: %{id: 17}',
      'GenServer #PID<<*>> terminating ** (KeyError) key :sku not found in: %{id: <*>} at Shop.Cart.sku',
    ],
    [
      'Erlang',
      'exception error: no match of right hand side value {error,refused}\n  in function  gen_server:call/2 (gen_server.erl, line 9)\n  in call from shop_cart:total/1 (src/shop_cart.erl, line 12)',
      'exception error: no match of right hand side value {error,refused} at shop_cart:total',
    ],
    [
      'Java, the cause first',
      'b.Deadlock: row 7\n\tat shop.Db.run(Db.java:2)\nWrapped by: a.Oops: failed\n\tat shop.Cart.add(Cart.java:12)',
      'b.Deadlock: row <*> at shop.Db.run Wrapped by: a.Oops: failed at shop.Cart.add',
    ],
  ])('of %s says what happened and where', (_, body, said) => {
    expect(pattern(body)).toBe(said)
  })

  it('of Monolog is read in time, whatever it has', () => {
    for (const part of ['[object] (', '[object] (A(code: ', '(code: 0): x at ', ' at a:1, A(code: ', "thread '' panicked at "]) {
      const begun = performance.now()
      pattern(`[object] (${part.repeat(300_000 / part.length)}`)
      pattern(`[object] (${`${part}\n`.repeat(300_000 / part.length)}`)
      expect(performance.now() - begun).toBeLessThan(2_000)
    }
  })

  it('of any depth keeps its last cause', () => {
    const chain = Array.from({ length: 100 }, (_, n) => `Caused by: shop.E: ${'x'.repeat(200)}\n\tat shop.F${n}.f(F.java:1)`)
    expect(
      pattern(['shop.Top: t', '\tat a.B.c(B.java:1)', ...chain, 'Caused by: shop.Root: why', '\tat a.B.d(B.java:1)'].join('\n')),
    ).toMatch(/^shop.Top: t at a.B.c .* Caused by: shop.Root: why at a.B.d$/)
  })

  it('is not what prose with an indented "at" is', () => {
    expect(pattern('we meet\n  at noon')).toBe('we meet at noon')
    expect(pattern('it panicked at dawn')).toBe('it panicked at dawn')
    expect(pattern('an [object] (of art) was sold')).toBe('an [object] (of art) was sold')
    expect(pattern('State: [open]\nnote: all is well')).toBe('State: [open] note: all is well')
  })
})

it.each([
  ['\u001B[1;31mERROR\u001B[0m lost', 'ERROR lost'],
  ['#033[32mok#033[0m', 'ok'],
  ['\u001B]0;title\u0007done', 'done'],
  ['errors:5 warnings:12', 'errors:<*> warnings:<*>'],
  ['to db.shop:5432', 'to <*>'],
  ['to localhost:80', 'to <*>'],
  ['at redis://cache:6379', 'at <*>'],
  ['key YWJjZA== and aGVsbG8gd29ybGQ= end', 'key <*> and <*> end'],
  ['logname= uid=0 jobName= userIds= x', 'logname=<*> uid=<*> jobName=<*> userIds=<*> x'],
])('the pattern of %j is %j', (body, said) => {
  expect(pattern(body)).toBe(said)
})

describe('severity', () => {
  it.each<[Json, string | null]>([
    [{ level: 'crit', msg: 'a' }, 'FATAL'],
    [{ PRIORITY: '4', MESSAGE: 'a' }, 'WARN'],
    [{ level: 50, msg: 'a' }, 'ERROR'],
    [{ log: { level: 'Verbose' }, message: 'a' }, 'TRACE'],
    [{ severity: 'NOTICE', n: 1 }, 'INFO'],
    [{ level: 400, level_name: 'ERROR', message: 'a' }, 'ERROR'],
    [{ priority: 'high', message: 'a' }, null],
    ['lvl=E msg=a', 'ERROR'],
    ['plain error', null],
  ])('of %j is %j', (body, severity) => {
    expect(saidIn(body).severity).toBe(severity)
  })
})

const line = fc.constantFrom(
  'Traceback (most recent call last):', '  File "a", line 1, in f', '\tat a.b(C:1)', 'Caused by: x', 'goroutine 1 [running]:', 'f(1)', '\t/a.go:1', '{"msg":"', '"}', '<34>', '<1>1 - h a - - ', 'a=', 'msg="x" ', '\u001B[1m', '#0 a.php(1): f', 'x',
) // prettier-ignore

describe('anything', () => {
  it('is read without an error, and JSON says the same as a text and as a map', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.oneof(line, fc.string()), { maxLength: 12 }).map((lines) => lines.join('\n')),
    )
    fc.assert(
      fc.property(text, (body) => {
        expect(patternOf(withoutValues(saidIn(body).text))).not.toBe('')
      }),
    )
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // JSON as a text and as a map say the same.
        const json = JSON.parse(JSON.stringify(value)) as Json
        if (typeof json !== 'object' || json === null) return
        expect(saidIn(JSON.stringify(json))).toEqual(saidIn(json))
      }),
    )
  })

  it.each([
    '{',
    '[',
    '{"a":',
    '\n\tat a',
    '\n  File "',
    'a=',
    '"',
    '\\',
    '<1>',
    '\u001B]',
    '\u001B[',
    'a:1 ',
    '\nCaused by: ',
    '\ngoroutine 1 [',
    '\nA=',
    'x',
  ])('of 1 MB of %j takes a moment', (part) => {
    const started = performance.now()
    pattern(part.repeat(1_000_000 / part.length))
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})
