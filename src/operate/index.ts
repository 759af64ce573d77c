export { applyPolicies, type ApplyPoliciesOptions, type PoliciesReport } from './policies/applyPolicies.ts'
export type { PolicyKind, PolicySettings } from './policies/applied.ts'
export { planConversion, type Conversion, type ConvertReport, type ConvertStep } from './policies/planConversion.ts'
export { doctor, type DoctorOptions, type DoctorReport } from './doctor/doctor.ts'
export type { Check, Examined, Finding } from '../database/checks/check.ts'
export { schemaDrift, type Drift } from './doctor/schemaDrift.ts'
export { grantsFor, type Grant, type GrantsOptions } from './rights/grants.ts'
export type { Role } from './rights/needs.ts'
export type { RoleState } from './rights/roleStates.ts'
export { maintain } from './maintain/maintain.ts'
export type {
  MaintainOptions,
  MaintainReport,
  MaintenanceKind,
  MaintenanceStep,
  MaintenanceUnit,
  NotDone,
  TooLate,
} from './maintain/maintain.ts'
export { migrateDown, migrateUp, type MigrateDownOptions, type MigrateResult } from './migrate/migrate.ts'
export type { MigrateOptions } from './migrate/migrateOptions.ts'
export { migratePlan, type MigratePlan } from './migrate/migratePlan.ts'
export { migrateStatus, type MigrateStatus } from './migrate/migrateStatus.ts'
export { refreshRange, type RefreshRangeOptions } from './maintain/refreshRange.ts'
export { planPolicies, type PlanPoliciesOptions, type PolicyChange } from './policies/planPolicies.ts'
export { defaultPolicies, type Policies } from './policies/defaultPolicies.ts'
export { policiesWith, type PolicyOverrides } from './policies/policiesWith.ts'
export type { RoomState } from './doctor/roomStates.ts'
