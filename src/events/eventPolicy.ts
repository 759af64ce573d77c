/**
 * How long events, their evidence and the locators of raw records are kept. Each duration is an
 * interval of fixed length.
 */
export interface EventPolicy {
  /**
   * Events detected longer ago than this are deleted, with their evidence. An event that an open
   * event still needs is kept.
   */
  readonly retain: string
  readonly locators: {
    /** Locators of older records are deleted if nothing refers to them. */
    readonly retain: string
  }
}

/**
 * The default: events are kept for two years, so that last year's incidents of the same season
 * remain available.
 *
 * A locator outlives what refers to it. Calls are kept for 365 days and dropped by chunks of 30, so
 * the last row with a locator is gone after 395 days. A locator that evidence refers to is kept as
 * long as the evidence, whatever its age.
 */
export const eventPolicy: EventPolicy = { retain: '730 days', locators: { retain: '400 days' } }
