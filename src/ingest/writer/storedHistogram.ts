import { encodeHistogram, type ExponentialHistogram } from '../../sketch/exponentialHistogram.ts'
import { hexText } from '../../sketch/hexText.ts'

/** A histogram as JSON carries it to a column of bytes. */
export const storedHistogram = (histogram: ExponentialHistogram | null): string | null => histogram && hexText(encodeHistogram(histogram))
