export type { Check, Examined, Finding } from '../database/checks/check.ts'
export type { RollupPolicy, TimePolicy } from '../lifecycle/timePolicy.ts'
export { applyPolicies, type ApplyPoliciesOptions, type PoliciesReport } from './apply/applyPolicies.ts'
export { planPolicies, type PlanPoliciesOptions } from './apply/planPolicies.ts'
export type { PolicyChange } from './apply/policyChange.ts'
export type { ConvertReport, ConvertStep } from './conversion/convert.ts'
export { planConversion, type Conversion } from './conversion/planConversion.ts'
export { doctor, type DoctorOptions, type DoctorReport } from './doctor/doctor.ts'
export type { RoomState } from './doctor/roomStates.ts'
export { schemaDrift, type Drift } from './doctor/schemaDrift.ts'
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
export { refreshRange, type RefreshRangeOptions } from './maintain/refreshRange.ts'
export { migrateDown, migrateUp, type MigrateDownOptions, type MigrateResult } from './migrate/migrate.ts'
export type { MigrateOptions } from './migrate/migrateOptions.ts'
export { migratePlan, type MigratePlan } from './migrate/migratePlan.ts'
export { migrateStatus, type MigrateStatus } from './migrate/migrateStatus.ts'
export type { PolicyKind, PolicySettings } from './policies/appliedPolicies.ts'
export { defaultPolicies, type Policies } from './policies/defaultPolicies.ts'
export { policiesWith, type PolicyOverrides } from './policies/policiesWith.ts'
export { grantsFor, type Grant, type GrantsOptions } from './rights/grants.ts'
export type { Role } from './rights/needs.ts'
export type { RoleState } from './rights/roleStates.ts'
