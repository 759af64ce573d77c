import { describe, expect, it } from 'vitest'
import { rollUp } from '../../../../src/ingest/rollUp.ts'
import { readTextLogs } from '../../../../src/ingest/sources/text/readTextLogs.ts'
import { Readable } from 'node:stream'
import { reading, told } from './reading.ts'

/** Each format with a few of its lines, and what they say. */
const formats: [name: string, lines: string[], expected: string[]][] = [
  [
    'Log4j',
    ['2025-03-09 14:05:01,123 INFO  [main] com.acme.Shop - open', '2025-03-09 14:05:02,000 WARN  [pool-1 a] com.acme.Cart - slow: 3 s'],
    ['2025-03-09T14:05:01.123Z INFO open', '2025-03-09T14:05:02Z WARN slow: 3 s'],
  ],
  [
    'Spring Boot',
    [
      '2025-03-09T14:05:01.123+01:00  INFO 7 --- [shop] [           main] c.acme.shop.ShopApplication              : Started in 3.1 s',
      '2025-03-09T14:05:02.000+01:00 ERROR 7 --- [shop] [nio-8080-exec-1] o.a.c.c.C.[.[.[/].[dispatcherServlet]    : Servlet failed',
    ],
    ['2025-03-09T13:05:01.123Z INFO Started in 3.1 s', '2025-03-09T13:05:02Z ERROR Servlet failed'],
  ],
  [
    'Python logging',
    ['2025-03-09 14:05:01,123 - shop.cart - INFO - added 3', '2025-03-09 14:05:01,124 - root - CRITICAL - no stock'],
    ['2025-03-09T14:05:01.123Z INFO added 3', '2025-03-09T14:05:01.124Z CRITICAL no stock'],
  ],
  [
    'Celery',
    ['[2025-03-09 14:05:01,123: INFO/MainProcess] Connected', '[2025-03-09 14:05:01,124: WARNING/ForkPoolWorker-2] Retry'],
    ['2025-03-09T14:05:01.123Z INFO Connected', '2025-03-09T14:05:01.124Z WARNING Retry'],
  ],
  [
    'gunicorn',
    ['[2025-03-09 14:05:01 +0200] [12] [INFO] Booting', '[2025-03-09 14:05:02 +0200] [12] [ERROR] Worker died'],
    ['2025-03-09T12:05:01Z INFO Booting', '2025-03-09T12:05:02Z ERROR Worker died'],
  ],
  [
    'log of Go',
    ['2025/03/09 14:05:01 listening on :80', '2025/03/09 14:05:02.000500 http: TLS handshake error'],
    ['2025-03-09T14:05:01Z - listening on :80', '2025-03-09T14:05:02Z - http: TLS handshake error'],
  ],
  [
    'log of Go with files',
    ['2025/03/09 14:05:01 main.go:12: listening', '2025/03/09 14:05:02 pkg/run.go:8: done'],
    ['2025-03-09T14:05:01Z - listening', '2025-03-09T14:05:02Z - done'],
  ],
  [
    'zap',
    ['2025-03-09T14:05:01.000Z\tINFO\tshop/main.go:12\tlistening\t{"port": 80}', '2025-03-09T14:05:02.000Z\tWARN\tshop/x.go:1\tslow'],
    ['2025-03-09T14:05:01Z INFO listening\t{"port": 80}', '2025-03-09T14:05:02Z WARN slow'],
  ],
  [
    'klog',
    ['I0309 14:05:01.000000       1 server.go:12] serving', 'E0309 14:05:02.000000       1 server.go:99] no route: x'],
    ['2025-03-09T14:05:01Z I serving', '2025-03-09T14:05:02Z E no route: x'],
  ],
  [
    'nginx, access',
    [
      '10.0.0.9 - - [09/Mar/2025:14:05:01 +0100] "GET /a?b=1 HTTP/1.1" 200 12 "-" "curl/8"',
      '10.0.0.9 - jane doe [09/Mar/2025:14:05:02 +0100] "POST /b HTTP/1.1" 503 12 "-" "curl/8"',
    ],
    [
      '2025-03-09T13:05:01Z INFO "GET /a?b=1 HTTP/1.1" 200 12 "-" "curl/8"',
      '2025-03-09T13:05:02Z ERROR "POST /b HTTP/1.1" 503 12 "-" "curl/8"',
    ],
  ],
  [
    'nginx, errors',
    ['2025/03/09 14:05:01 [error] 31#31: *1 open() "/x" failed', '2025/03/09 14:05:02 [notice] 31#31: signal 15'],
    ['2025-03-09T14:05:01Z error *1 open() "/x" failed', '2025-03-09T14:05:02Z notice signal 15'],
  ],
  [
    'Apache 2.4, errors',
    [
      '[Sun Mar 09 14:05:01.500000 2025] [core:error] [pid 7:tid 9] [client 10.0.0.9:1] File does not exist: /x',
      '[Sun Mar 09 14:05:02.000000 2025] [mpm_event:notice] [pid 7:tid 9] AH00489: resuming',
    ],
    ['2025-03-09T14:05:01.500Z error [client 10.0.0.9:1] File does not exist: /x', '2025-03-09T14:05:02Z notice AH00489: resuming'],
  ],
  [
    'Apache 2.2, errors',
    ['[Sun Mar 09 14:05:01 2025] [notice] jk2_init() Found child 1', '[Sun Mar 09 14:05:02 2025] [error] mod_jk child in state 6'],
    ['2025-03-09T14:05:01Z notice jk2_init() Found child 1', '2025-03-09T14:05:02Z error mod_jk child in state 6'],
  ],
  [
    'syslog',
    [
      'Mar  9 14:05:01 web1 sshd[12]: Accepted key',
      'Mar  9 14:05:02 web1 kernel: eth0: up',
      'Mar  9 14:05:03 web1 last message repeated 2 times',
    ],
    ['2025-03-09T14:05:01Z - Accepted key', '2025-03-09T14:05:02Z - eth0: up', '2025-03-09T14:05:03Z - last message repeated 2 times'],
  ],
  [
    'syslog with its number',
    ["<34>Mar  9 14:05:01 web1 su: 'su root' failed", '<13>Mar  9 14:05:02 web1 app[3]: hello'],
    ["2025-03-09T14:05:01Z 2 'su root' failed", '2025-03-09T14:05:02Z 5 hello'],
  ],
  [
    'syslog (RFC 5424)',
    [
      '<165>1 2025-03-09T14:05:01.003Z web1 app 12 ID47 [a@1 b="]\\"" c="d"][e@2] \uFEFFAn event',
      '<11>1 2025-03-09T14:05:02+01:00 web1 app - - - failed',
    ],
    ['2025-03-09T14:05:01.003Z 5 An event', '2025-03-09T13:05:02Z 3 failed'],
  ],
  [
    'journald, short-iso',
    ['2025-03-09T14:05:01+0100 web1 systemd[1]: Started shop.service', '2025-03-09T14:05:02+0100 web1 kernel: oom'],
    ['2025-03-09T13:05:01Z - Started shop.service', '2025-03-09T13:05:02Z - oom'],
  ],
  [
    'journald, export',
    [
      '__CURSOR=s=1',
      '__REALTIME_TIMESTAMP=1741529101000000',
      'PRIORITY=3',
      'MESSAGE=disk failed',
      '_PID=7',
      '',
      '__CURSOR=s=2',
      '__REALTIME_TIMESTAMP=1741529102000000',
      'MESSAGE',
      '\u0007\0\0\0\0\0\0\0one',
      'two',
      'PRIORITY=6',
      '',
    ],
    ['2025-03-09T14:05:01Z 3 disk failed', '2025-03-09T14:05:02Z 6 one\ntwo'],
  ],
  [
    'PostgreSQL',
    [
      '2025-03-09 14:05:01.123 CET [12] web@shop ERROR:  relation "x" does not exist at character 15',
      '2025-03-09 14:05:01.123 CET [12] web@shop STATEMENT:  select *',
      '\tfrom x',
      '2025-03-09 14:05:02.000 CET [7] LOG:  checkpoint starting: time',
    ],
    [
      '2025-03-09T13:05:01.123Z ERROR relation "x" does not exist at character 15',
      '2025-03-09T13:05:01.123Z - STATEMENT:  select *\n\tfrom x',
      '2025-03-09T13:05:02Z LOG checkpoint starting: time',
    ],
  ],
  [
    'PostgreSQL, csvlog',
    [
      '2025-03-09 14:05:01.123 CET,"web","shop",12,"10.0.0.9:5000",abc.1,1,"SELECT",2025-03-09 14:00:00 CET,3/7,0,ERROR,42P01,"relation ""x, y"" does not exist",,,,,,"select *',
      'from x",15,,"psql","client backend",,0',
      '2025-03-09 14:05:02.000 CET,,,7,,abc.2,2,,2025-03-09 14:00:00 CET,,0,LOG,00000,"checkpoint starting: time",,,,,,,,,"","checkpointer",,0',
    ],
    ['2025-03-09T13:05:01.123Z ERROR relation "x, y" does not exist', '2025-03-09T13:05:02Z LOG checkpoint starting: time'],
  ],
  [
    'PostgreSQL, jsonlog',
    ['{"timestamp":"2025-03-09 14:05:01.123 CET","error_severity":"FATAL","message":"too many clients"}'],
    ['2025-03-09T13:05:01.123Z FATAL {"timestamp":"2025-03-09 14:05:01.123 CET","error_severity":"FATAL","message":"too many clients"}'],
  ],
  [
    'auditd',
    ['type=SYSCALL msg=audit(1741529101.243:24287): arch=c000003e', 'type=CWD msg=audit(1741529102.000:24288): cwd="/home"'],
    ['2025-03-09T14:05:01.243Z - SYSCALL arch=c000003e', '2025-03-09T14:05:02Z - CWD cwd="/home"'],
  ],
  [
    'MySQL, errors',
    [
      '2025-03-09T14:05:01.123456Z 0 [Warning] [MY-010068] [Server] CA is self signed.',
      '2025-03-09T14:05:02.000000Z 8 [Note] [MY-1] [Repl] started',
    ],
    ['2025-03-09T14:05:01.123Z Warning CA is self signed.', '2025-03-09T14:05:02Z Note started'],
  ],
  [
    'MySQL, slow statements',
    [
      '# Time: 2025-03-09T14:05:01.000000Z',
      '# User@Host: a[a] @ [10.0.0.9]',
      'SELECT 1;',
      '# Time: 2025-03-09T14:05:02.000000Z',
      'SELECT 2;',
    ],
    ['2025-03-09T14:05:01Z - # User@Host: a[a] @ [10.0.0.9]\nSELECT 1;', '2025-03-09T14:05:02Z - SELECT 2;'],
  ],
  [
    'Rails',
    ['I, [2025-03-09T14:05:01.000123 #12]  INFO -- : Started GET "/"', 'F, [2025-03-09T14:05:02.000000 #12] FATAL -- shop: gone'],
    ['2025-03-09T14:05:01Z INFO Started GET "/"', '2025-03-09T14:05:02Z FATAL gone'],
  ],
  [
    'Monolog',
    ['[2025-03-09 14:05:01] local.ERROR: Class "X" not found', '#0 /srv/a.php(3): b()', '[2025-03-09T14:05:02.5+00:00] prod.INFO: ok'],
    ['2025-03-09T14:05:01Z ERROR Class "X" not found\n#0 /srv/a.php(3): b()', '2025-03-09T14:05:02.500Z INFO ok'],
  ],
  [
    'Serilog',
    ['2025-03-09 14:05:01.123 +01:00 [INF] Now listening', '2025-03-09 14:05:02.000 +01:00 [FTL] Host ended'],
    ['2025-03-09T13:05:01.123Z INF Now listening', '2025-03-09T13:05:02Z FTL Host ended'],
  ],
  [
    'Tomcat',
    [
      '09-Mar-2025 14:05:01.123 INFO [main] org.apache.catalina.startup.Catalina.start Server startup in [9] ms',
      '09-Mar-2025 14:05:02.000 SEVERE [main] org.apache.catalina.core.Host.x failed',
    ],
    ['2025-03-09T14:05:01.123Z INFO Server startup in [9] ms', '2025-03-09T14:05:02Z SEVERE failed'],
  ],
  [
    'java.util.logging',
    ['Mar 09, 2025 2:05:01 PM com.acme.Shop open', 'INFO: opened', 'Mar 09, 2025 12:05:02 AM com.acme.Shop <init>', 'SEVERE: no', 'E: x'],
    ['2025-03-09T14:05:01Z INFO opened', '2025-03-09T00:05:02Z SEVERE no\nE: x'],
  ],
  [
    'Elasticsearch',
    [
      '[2025-03-09T14:05:01,123][INFO ][o.e.n.Node               ] [node-1] started',
      '[2025-03-09T14:05:02,000][WARN ][o.e.c.r.a.DiskThreshold  ] [node-1] low disk',
    ],
    ['2025-03-09T14:05:01.123Z INFO started', '2025-03-09T14:05:02Z WARN low disk'],
  ],
  [
    'ZooKeeper',
    [
      '2025-03-09 14:05:01,123 - INFO  [Peer[myid=1]/0.0.0.0:2181:Vote@774] - New election',
      '2025-03-09 14:05:02,000 - WARN  [Thread-1:Quorum@1] - Broken',
    ],
    ['2025-03-09T14:05:01.123Z INFO New election', '2025-03-09T14:05:02Z WARN Broken'],
  ],
  [
    'Spark',
    ['25/03/09 14:05:01 INFO executor.Executor: Running task 1', '25/03/09 14:05:02 ERROR storage.Disk: full'],
    ['2025-03-09T14:05:01Z INFO Running task 1', '2025-03-09T14:05:02Z ERROR full'],
  ],
  [
    'logcat',
    ['03-09 14:05:01.123  1702  2395 D WindowManager: freeze', '03-09 14:05:02.000  1702  2395 W Act: slow: 3'],
    ['2025-03-09T14:05:01.123Z D freeze', '2025-03-09T14:05:02Z W slow: 3'],
  ],
  [
    'CBS of Windows',
    ['2025-03-09 14:05:01, Info                  CBS    Loaded stack', '2025-03-09 14:05:02, Error                 CSI    0001 failed'],
    ['2025-03-09T14:05:01Z Info Loaded stack', '2025-03-09T14:05:02Z Error 0001 failed'],
  ],
  [
    'Cassandra, its level before the time',
    [
      'INFO  [main] 2025-03-09 14:05:01,123 CassandraDaemon.java:625 - Node is up',
      'WARN  [GossipTasks:1] 2025-03-09 14:05:02,000 FailureDetector.java:288 - Not marking nodes down',
    ],
    ['2025-03-09T14:05:01.123Z INFO Node is up', '2025-03-09T14:05:02Z WARN Not marking nodes down'],
  ],
  [
    'Airflow',
    [
      '[2025-03-09T14:05:01.000+0000] {taskinstance.py:1165} INFO - Dependencies all met',
      '[2025-03-09T14:05:02.000+0000] {standard.py:1} ERROR - Failed',
    ],
    ['2025-03-09T14:05:01Z INFO Dependencies all met', '2025-03-09T14:05:02Z ERROR Failed'],
  ],
  [
    'Consul, behind blanks',
    ['    2025-03-09T14:05:01.000Z [INFO]  agent: Started', '    2025-03-09T14:05:02.000Z [ERROR] agent.client: failed'],
    ['2025-03-09T14:05:01Z INFO Started', '2025-03-09T14:05:02Z ERROR failed'],
  ],
  [
    'env_logger of Rust',
    ['[2025-03-09T14:05:01Z INFO  shop::cart] added', '[2025-03-09T14:05:02Z ERROR shop::cart] failed'],
    ['2025-03-09T14:05:01Z INFO added', '2025-03-09T14:05:02Z ERROR failed'],
  ],
  [
    'Loguru',
    ['2025-03-09 14:05:01.000 | INFO     | __main__:main:12 - Hello', '2025-03-09 14:05:02.000 | ERROR    | shop.cart:<lambda>:7 - Bad'],
    ['2025-03-09T14:05:01Z INFO Hello', '2025-03-09T14:05:02Z ERROR Bad'],
  ],
  [
    'Nest',
    ['[Nest] 12  - 03/09/2025, 2:05:01 PM     LOG [NestFactory] Starting', '[Nest] 12  - 03/19/2025, 12:05:02 AM   ERROR [Cart] Failed'],
    ['2025-03-09T14:05:01Z LOG Starting', '2025-03-19T00:05:02Z ERROR Failed'],
  ],
  [
    'MariaDB, with hours of one digit',
    ['2025-03-09 14:05:01 0 [Note] InnoDB: started', '2025-03-09  4:05:02 12 [Warning] Aborted connection'],
    ['2025-03-09T14:05:01Z Note InnoDB: started', '2025-03-09T04:05:02Z Warning Aborted connection'],
  ],
  [
    'syslog behind other times',
    [
      '- 1741529101 2025.03.09 dn2 Mar 9 14:05:01 dn2/dn2 crond(pam_unix)[2915]: session closed for user root',
      '- 1741529102 2025.03.09 dn2 Mar 9 14:05:02 dn2/dn2 crond[2916]: (root) CMD (run-parts)',
    ],
    ['2025-03-09T14:05:01Z - session closed for user root', '2025-03-09T14:05:02Z - (root) CMD (run-parts)'],
  ],
  [
    'seconds since 1970',
    ['1741529101 open', '1741529102.5 close', '1741529103000 milliseconds'],
    ['2025-03-09T14:05:01Z - open', '2025-03-09T14:05:02.500Z - close', '2025-03-09T14:05:03Z - milliseconds'],
  ],
  [
    'a name before each line',
    ['web-1  | 2025-03-09T14:05:01Z INFO up', 'db-1   | 2025-03-09T14:05:02Z WARN full'],
    ['2025-03-09T14:05:01Z INFO up', '2025-03-09T14:05:02Z WARN full'],
  ],
  [
    'columns between bars',
    ['20250309-14:05:01:606|Step|300|onChange 3', '20250309-14:5:2:15|Walk|300|onEnd a|b'],
    ['2025-03-09T14:05:01.606Z - onChange 3', '2025-03-09T14:05:02.150Z - onEnd a|b'],
  ],
  [
    'a level far from the time',
    [
      '- 2025.03.09 node7 2025-03-09-14.05.01.675872 node7 RAS KERNEL INFO cache corrected',
      '- 2025.03.09 n 2025-03-09-14.05.02.000000 n RAS APP FATAL lost: x',
    ],
    ['2025-03-09T14:05:01.675Z INFO cache corrected', '2025-03-09T14:05:02Z FATAL lost: x'],
  ],
  [
    'JSON lines of pino',
    ['{"level":30,"time":1741529101000,"msg":"up"}', '{"level":50,"time":1741529102000,"msg":"down"}'],
    [
      '2025-03-09T14:05:01Z - {"level":30,"time":1741529101000,"msg":"up"}',
      '2025-03-09T14:05:02Z - {"level":50,"time":1741529102000,"msg":"down"}',
    ],
  ],
  [
    'JSON lines of zap, with another line',
    ['{"level":"info","ts":1741529101.25,"msg":"up"}', 'panic: gone', '', 'goroutine 1:', '{"level":"info","ts":1741529102,"msg":"up"}'],
    [
      '2025-03-09T14:05:01.250Z - {"level":"info","ts":1741529101.25,"msg":"up"}',
      '2025-03-09T14:05:01.250Z - panic: gone\n\ngoroutine 1:',
      '2025-03-09T14:05:02Z - {"level":"info","ts":1741529102,"msg":"up"}',
    ],
  ],
  [
    'JSON lines of MongoDB, ECS, journald',
    [
      '{"t":{"$date":"2025-03-09T14:05:01.000Z"},"s":"E","msg":"x"}',
      '{"@timestamp":"2025-03-09T14:05:02Z","message":"y"}',
      '{"__REALTIME_TIMESTAMP":"1741529103000000","MESSAGE":"z"}',
    ],
    [
      '2025-03-09T14:05:01Z E {"t":{"$date":"2025-03-09T14:05:01.000Z"},"s":"E","msg":"x"}',
      '2025-03-09T14:05:02Z - {"@timestamp":"2025-03-09T14:05:02Z","message":"y"}',
      '2025-03-09T14:05:03Z - {"__REALTIME_TIMESTAMP":"1741529103000000","MESSAGE":"z"}',
    ],
  ],
  [
    'logfmt',
    ['time="2025-03-09T14:05:01Z" level=error msg="no pod"', 'time="2025-03-09T14:05:02Z" level=info msg=ok'],
    [
      '2025-03-09T14:05:01Z - time="2025-03-09T14:05:01Z" level=error msg="no pod"',
      '2025-03-09T14:05:02Z - time="2025-03-09T14:05:02Z" level=info msg=ok',
    ],
  ],
  [
    'Kubernetes, with a header and a trace in it',
    [
      '2025-03-09T14:05:01.000000001Z stdout F 15:05:00 nothing to say',
      '2025-03-09T14:05:02.000000001Z stderr P panic: out of',
      '2025-03-09T14:05:02.000000001Z stderr F  memory',
      '2025-03-09T14:05:02.000000002Z stderr F \tat a.go:1',
      '2025-03-09T14:05:02.000000003Z stdout F between',
    ],
    [
      '2025-03-09T14:05:01Z - 15:05:00 nothing to say',
      '2025-03-09T14:05:02Z - panic: out of memory\n\tat a.go:1',
      '2025-03-09T14:05:02Z - between',
    ],
  ],
  [
    'Docker, with a header in it',
    [
      '{"log":"2020-01-01 00:00:00,000 WARN [main] a.B - low\\n","stream":"stdout","time":"2025-03-09T14:05:01Z"}',
      '{"log":"\\tat a.B\\n","stream":"stdout","time":"2025-03-09T14:05:01Z"}',
      '{"log":"2020-01-01 00:00:01,000 INFO [main] a.B - ok\\n","stream":"stdout","time":"2025-03-09T14:05:02Z"}',
    ],
    ['2025-03-09T14:05:01Z WARN low\n\tat a.B', '2025-03-09T14:05:02Z INFO ok'],
  ],
]

describe('a text log', () => {
  it.each(formats)('of %s', async (_, lines, expected) => {
    // Of formats without a year, it is given.
    expect(await told(lines, { year: 2025 })).toEqual(expected)
    const { malformed, recognised } = await reading(lines, { year: 2025 })
    expect(malformed).toEqual([])
    expect(recognised!.format).toBeTypeOf('string')
  })

  it.each(formats)('of %s is the same when it is twice in the file', async (_, lines, expected) => {
    const { records, malformed } = await reading([...lines, ...lines], { year: 2025 })
    expect(records.map(({ body }) => body)).toHaveLength(2 * expected.length)
    expect(malformed).toEqual([])
  })

  it('becomes patterns with their severity, from the body too', async () => {
    const lines = ['{"level":50,"time":1741529101000,"msg":"order 7 failed"}', '{"level":30,"time":1741529102000,"msg":"order 8 failed"}']
    const found = []
    for await (const { patterns } of rollUp(readTextLogs(Readable.from([lines.join('\n')]), { service: 'shop' }))) found.push(...patterns)
    expect(found).toEqual([
      expect.objectContaining({
        resource: 'urn:k8s:svc:default/shop',
        maskedLine: 'order <*> failed',
        severity: 'ERROR',
        countTotal: 2,
        countError: 1,
      }),
    ])
  })

  it('has its fields as attributes, to be counted', async () => {
    const { records } = await reading(['10.0.0.9 - jane [09/Mar/2025:14:05:01 +0100] "GET / HTTP/1.1" 200 12'])
    expect(records[0]!.fields).toEqual({ 'client.address': '10.0.0.9', 'user.name': 'jane' })
  })
})
