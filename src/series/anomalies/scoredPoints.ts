import type { Scope } from '../../database/scope.ts'
import type { DetectionSettings } from './detection.ts'
import { ewmaScores } from './ewmaScores.ts'
import { robustScores } from './robustScores.ts'
import { seasonalScores } from './seasonalScores.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

/** Every point of a frame that the method can judge, with its score, whether or not that is above the threshold. */
export function scoredPoints(scope: Scope, frame: SeriesFrame, settings: DetectionSettings) {
  switch (settings.method) {
    case 'robust-z':
      return robustScores(scope, frame, settings)
    case 'seasonal':
      return seasonalScores(scope, frame, settings)
    case 'ewma':
      return ewmaScores(scope, frame, settings)
  }
}
