/**
 * The advisory lock for applying policies and converting, shared by all installations of the
 * database.
 */
export const policiesTurn = 7620318452117002
