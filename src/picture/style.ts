/**
 * The style of all pictures. Text has a contrast of at least 4.5 : 1 on the background, lines 3 : 1
 * (WCAG 2.2, 1.4.3 and 1.4.11).
 */
export const style = {
  /** Without quotes, because it is used in attributes with either kind of quote. */
  font: 'Helvetica, Arial, Liberation Sans, sans-serif',
  background: '#ffffff',
  text: '#1d2733',
  quiet: '#5a6775',
  line: '#d5dbe1',
  /** Calls and values within their normal range. */
  calm: '#7f8d9d',
  /** Outside of the normal range. */
  warning: '#b45309',
  /** Far outside of the normal range. */
  critical: '#c81e1e',
  vertex: { fill: '#f6f8fa', line: '#aab4bf' },
  suspect: { fill: '#fdecec', line: '#c81e1e' },
  symptom: { fill: '#fff3dd', line: '#b45309' },
  /** The path from a symptom to a suspect. */
  path: '#0b66b0',
  /**
   * The change of a dependency. Blue, orange and purple can be distinguished with every common
   * colour blindness.
   */
  appeared: '#0b66b0',
  vanished: '#c2410c',
  changed: '#8e44ad',
  unchanged: '#8a96a3',
  /**
   * Series, in order. They can be distinguished with every common colour blindness (after Okabe and
   * Ito, 2008, darkened for text contrast).
   */
  series: ['#0b66b0', '#c2410c', '#00785a', '#8e44ad', '#9a6700', '#5a6775'],
} as const
