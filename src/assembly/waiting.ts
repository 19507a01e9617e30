// What stands in the settings file and does not hold in the running gateway yet, for doctor. Called by main.ts.

import { compareSettings } from '../config/compare.ts';
import type { Settings } from '../config/settings.ts';
import { BadFile } from '../platform/problem.ts';

/** Keys of the settings file that the running gateway has other values of. */
export interface Waiting {
  /** Those that a reload would take. */
  readonly live: readonly string[];
  readonly restart: readonly string[];
}

/** Nothing where the file cannot be read now: whoever asks reads it too, and says so. */
export function waitingIn(settings: Settings, read: () => Settings): Waiting {
  try {
    const { live, restart } = compareSettings(settings, read());
    return { live, restart };
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    return { live: [], restart: [] };
  }
}
