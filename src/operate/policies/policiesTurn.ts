/**
 * What those who apply policies, or convert, wait for each other by, whichever installation of the
 * database it is.
 */
export const policiesTurn = 7620318452117002
