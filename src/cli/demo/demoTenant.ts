/**
 * On a database of the user's, all the demo writes belongs to this tenant. It is deleted and made
 * again.
 */
export const demoTenant = 'pgvantage-demo'
