export { ensureResource, ensureResources, resourceIds, type ResourceInput } from './resources.ts'
export { deleteTenant, ensureTenant, type DeleteTenantOptions, type TenantInput } from './tenants.ts'
export { databaseUrn, externalClientUrn, hostUrn, queueUrn, serviceUrn, unknownCallerUrn } from './urn.ts'
