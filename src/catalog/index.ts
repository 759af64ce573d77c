export { deleteTenant, type DeleteTenantOptions } from './deleteTenant.ts'
export { ensureResource, ensureResources, resourceIds, type ResourceInput } from './resources.ts'
export { ensureTenant, listTenants, type Tenant, type TenantInput } from './tenants.ts'
export { databaseUrn, externalClientUrn, hostUrn, queueUrn, serviceUrn, unknownCallerUrn } from './urn.ts'
