import Table from 'cli-table3'
import { Command } from 'commander'
import { doctor, type DoctorReport } from '../operate/doctor/doctor.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { exitCode } from './exitCode.ts'
import { roomChecks } from './roomChecks.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * `pgvantage doctor`: exits with 3 when there is an error among the findings, with `--strict` also
 * for a warning.
 */
export function doctorCommand({ env, out }: Surroundings, exit: (code: number) => void): Command {
  return new Command('doctor')
    .description('say what this database can do, what is wrong with it, and what to do about that; changes nothing')
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--strict', 'let warnings decide the exit code too')
    .option('--json', 'one JSON document')
    .action(async ({ database, schema, strict, json }: { database?: string; schema?: string; strict?: boolean; json?: boolean }) => {
      const report = await withDatabase({ database }, env, (db) => doctor(db, { schema, checks: roomChecks }))
      out(json ? document(report) : describeReport(report))
      const grave = strict ? ['error', 'warning'] : ['error']
      if (report.findings.some(({ severity }) => grave.includes(severity))) exit(exitCode.findings)
    })
}

function describeReport({
  server,
  extensions,
  timescaleLicence,
  installation,
  version,
  libraryVersion,
  rooms,
  findings,
}: DoctorReport): string {
  const plain = { head: [], border: [] }
  const extensionTable = new Table({ head: ['extension', 'installed', 'available'], style: plain })
  for (const [name, { installed, available }] of Object.entries(extensions)) {
    const edition =
      name === 'timescaledb' && timescaleLicence !== null ? ` (${timescaleLicence === 'timescale' ? 'community' : 'Apache'})` : ''
    extensionTable.push([name, installed === null ? '-' : installed + edition, available ?? 'missing'])
  }
  const roomTable = new Table({ head: ['room', 'can do', 'by'], style: plain })
  for (const { room, state, reason } of rooms) roomTable.push([room, state, reason])
  const where =
    installation === null
      ? 'pgvantage is not installed here'
      : `pgvantage in schema ${installation.schema}, version ${version} of ${libraryVersion}; embeddings ${installation.embeddingDimension} ${installation.embeddingDistance}; graphs ${installation.graphPrefix}_*`
  const lines = findings.map(({ severity, message, remedy }) => `${severity}: ${message}\n  -> ${remedy}`)
  return [
    server.version,
    where,
    extensionTable.toString(),
    roomTable.toString(),
    ...(lines.length === 0 ? ['nothing to complain about'] : lines),
    '',
  ].join('\n')
}
