/** What the services of the shop say to each other. Prices are in cents of a euro. */
import { z } from 'zod'

export const CartItem = z.object({ sku: z.string(), quantity: z.int().positive() })

export const Cart = z.object({ items: z.array(CartItem) })

export const OrderRequest = z.object({ customer: z.string() })

export const ReservationRequest = z.object({ orderId: z.string(), items: z.array(CartItem) })

export const Reservation = z.object({ totalCents: z.int() })

export const Charge = z.object({ orderId: z.string(), customer: z.string(), totalCents: z.int() })

export const ChargeOutcome = z.object({ authorised: z.boolean() })

export const PlacedOrder = z.object({ orderId: z.string(), customer: z.string(), items: z.array(CartItem) })

export const Shipment = z.object({ orderId: z.string(), customer: z.string() })
