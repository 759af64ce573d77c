/** What a service of the shop looks like to the world, and how it reports its metrics. */
export interface ServiceProfile {
  /** Added to the shop's port base. */
  readonly portOffset: number
  /** `service.version` of its telemetry. */
  readonly version: string
  /** Temporality of its counters and histograms. Both kinds exist in the field, so both exist here. */
  readonly temporality: 'cumulative' | 'delta'
  /** Buckets of its `http.server.request.duration`. */
  readonly histogram: 'explicit' | 'exponential'
}

/** The instrumented services. Each runs as a process of its own, from `services/NAME.ts`. */
export const services = {
  frontend: { portOffset: 0, version: '3.2.0', temporality: 'cumulative', histogram: 'explicit' },
  recommendation: { portOffset: 1, version: '1.7.2', temporality: 'cumulative', histogram: 'explicit' },
  cart: { portOffset: 2, version: '2.0.5', temporality: 'delta', histogram: 'explicit' },
  checkout: { portOffset: 3, version: '4.1.0', temporality: 'cumulative', histogram: 'exponential' },
  inventory: { portOffset: 4, version: '2.3.1', temporality: 'cumulative', histogram: 'explicit' },
  payment: { portOffset: 5, version: '5.0.3', temporality: 'cumulative', histogram: 'exponential' },
  fulfilment: { portOffset: 6, version: '1.1.4', temporality: 'cumulative', histogram: 'explicit' },
  notification: { portOffset: 7, version: '1.0.9', temporality: 'cumulative', histogram: 'explicit' },
} as const satisfies Record<string, ServiceProfile>

/** The name of an instrumented service. */
export type ServiceName = keyof typeof services

/** What the services stand on: a PostgreSQL (PGlite over the wire) and a message broker. They report no telemetry of their own. */
export const infrastructure = {
  database: { portOffset: 8 },
  broker: { portOffset: 9 },
} as const

/** The name of a process without telemetry. */
export type InfrastructureName = keyof typeof infrastructure

/** The service in which the fault sits. */
export const faultyService = 'payment' satisfies ServiceName

/** The port at which a part of the shop listens. */
export function portOf(name: ServiceName | InfrastructureName, portBase: number): number {
  return portBase + { ...services, ...infrastructure }[name].portOffset
}
