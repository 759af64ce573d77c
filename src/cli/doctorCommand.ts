import { Command } from 'commander'
import type { Finding } from '../database/checks/check.ts'
import { doctor, type DoctorReport } from '../operate/doctor/doctor.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { exitCode } from './exitCode.ts'
import { shellWord } from './remedies.ts'
import { roomChecks } from './roomChecks.ts'
import type { Surroundings } from './surroundings.ts'
import { table, wrapped } from './table.ts'

/**
 * `pgvantage doctor`: exits with 3 when there is an error among the findings, with `--strict` also
 * for a warning.
 */
export function doctorCommand({ env, out, columns }: Surroundings, exit: (code: number) => void): Command {
  return new Command('doctor')
    .description('say what this database can do, what is wrong with it, and what to do about that; changes nothing')
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--strict', 'let warnings decide the exit code too')
    .option('--json', 'one JSON document')
    .action(async ({ database, schema, strict, json }: { database?: string; schema?: string; strict?: boolean; json?: boolean }) => {
      const report = await withDatabase({ database }, env, (db) => doctor(db, { schema, checks: roomChecks }))
      out(json ? document(report) : describeReport(report, columns))
      const grave = strict ? ['error', 'warning'] : ['error']
      if (report.findings.some(({ severity }) => grave.includes(severity))) exit(exitCode.findings)
    })
}

function describeReport(report: DoctorReport, width: number): string {
  const { server, extensions, timescaleLicence, installation, version, libraryVersion, rooms, findings } = report
  const extensionRows = Object.entries(extensions).map(([name, { installed, available }]) => {
    const edition =
      name === 'timescaledb' && timescaleLicence !== null ? ` (${timescaleLicence === 'timescale' ? 'community' : 'Apache'})` : ''
    return [name, installed === null ? '-' : installed + edition, available ?? 'missing']
  })
  const roomRows = rooms.map(({ room, state, reason }) => [room, state, reason])
  const hidden = findings.some(({ code }) => code === 'unreadable')
  const where =
    installation !== null
      ? `pgvantage in schema ${installation.schema}, version ${version} of ${libraryVersion}; embeddings ${installation.embeddingDimension} ${installation.embeddingDistance}; graphs ${installation.graphPrefix}_*`
      : hidden
        ? 'pgvantage is here, but closed to this role'
        : 'pgvantage is not installed here'
  // What the role can be is said above.
  const told = findings.filter(({ code, severity }) => code !== 'rights' || severity !== 'info')
  const texts = [server.version, where, describeRole(report)].map((text) => wrapped(text, width, '  '))
  return [
    ...texts,
    table(['extension', 'installed', 'available'], extensionRows, { width }).trimEnd(),
    table(['room', 'can do', 'by'], roomRows, { width }).trimEnd(),
    ...(told.length === 0 ? ['nothing to complain about'] : told.map((finding) => describeFinding(finding, report, width))),
    '',
  ].join('\n')
}

/** Who asks, and what that role can be here. */
function describeRole({ role, server, roles }: DoctorReport): string {
  if (server.superuser) return `asked as ${role}, a superuser`
  const able = roles.filter(({ lacking }) => lacking.length === 0).map((state) => state.role)
  const unable = roles.filter(({ lacking }) => lacking.length > 0).map((state) => state.role)
  const lacks =
    unable.length === 0
      ? ''
      : `${able.length === 0 ? '; it cannot be' : ', not'} ${unable.join(', ')} (--json says what it lacks, \`pgvantage grants --role ROLE ${shellWord(role)}\` what to run)`
  return `asked as ${role}${able.length === 0 ? ', which is no superuser' : `, which can be ${able.join(', ')}`}${lacks}`
}

function describeFinding({ severity, message, remedy, needs }: Finding, report: DoctorReport, width: number): string {
  const who =
    needs === undefined || can(report, needs) ? '' : ` (for ${needs === 'superuser' ? 'a superuser' : `the ${needs} of the tables`})`
  return [wrapped(`${severity}: ${message}`, width, '  '), wrapped(`  -> ${remedy}${who}`, width, '     ')].join('\n')
}

/** Whether the role that asked can do what needs that role. An owner maintains, too. */
function can({ server, roles }: DoctorReport, needs: NonNullable<Finding['needs']>): boolean {
  const may = (role: string) => roles.some((state) => state.role === role && state.lacking.length === 0)
  return server.superuser || (needs !== 'superuser' && (may(needs) || may('owner')))
}
