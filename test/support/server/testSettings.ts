/** Arguments of `postgres` for a server whose data nobody will miss: many connections, nothing waits for the disk. */
export const testSettings: string[] = [
  'max_connections=200',
  'shared_buffers=256MB',
  'max_wal_size=4GB',
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
].flatMap((setting) => ['-c', setting])
