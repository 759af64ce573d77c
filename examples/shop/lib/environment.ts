import { services, type ServiceName } from '../topology.ts'

/** The loopback address that every part of the shop binds to and calls. */
export const host = '127.0.0.1'

/** The port base that `startShop` gave this process. */
export const portBase = Number(required('SHOP_PORT_BASE'))

/** Which service this process is. */
export function serviceName(): ServiceName {
  const name = required('SHOP_SERVICE')
  if (!isService(name)) throw new Error(`SHOP_SERVICE is ${JSON.stringify(name)}, expected one of ${Object.keys(services).join(', ')}`)
  return name
}

function isService(name: string): name is ServiceName {
  return Object.hasOwn(services, name)
}

/** The value of an environment variable that `startShop` sets. */
export function required(variable: string): string {
  const value = process.env[variable]
  if (!value) throw new Error(`${variable} is not set: start the shop through startShop() of shop.ts`)
  return value
}
