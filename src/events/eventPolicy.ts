/**
 * How long events, their evidence and the locators of raw records are kept. Every duration is an
 * interval of fixed length.
 */
export interface EventPolicy {
  /**
   * Events noticed longer ago than this are deleted, with their evidence; one that an open event
   * still needs is kept.
   */
  readonly retain: string
  readonly locators: {
    /** Locators of records older than this are deleted once nothing refers to them. */
    readonly retain: string
  }
}

/**
 * What becomes of events: two years, to learn from the incidents of the same season a year before.
 *
 * A locator outlives what refers to it: calls are kept for 365 days and dropped by chunks of 30, so
 * the last row that names a locator is gone after 395 days. One that evidence refers to lives as
 * long as the evidence, however old it is.
 */
export const eventPolicy: EventPolicy = { retain: '730 days', locators: { retain: '400 days' } }
