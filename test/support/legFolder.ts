/** Where a test run keeps its templates and what its legs ran on; another run may be under way beside it. */
export const legFolder = `.cache/legs/${process.pid}`
