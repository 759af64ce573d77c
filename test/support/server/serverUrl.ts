/** Connection string of the superuser `postgres` and the database of that name. */
export function serverUrl(server: { host: string; port: number; password: string }): string {
  const url = new URL('postgres://postgres@localhost/postgres')
  url.hostname = server.host
  url.port = String(server.port)
  url.password = server.password
  return url.href
}
