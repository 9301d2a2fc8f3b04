/** Whether it is known how fast this machine is: where a task never ran, it is expected to run as that says. */
import type { Calibration } from '@gryphgen/protocol';
import { calibrationWords } from '../render/calibration-words.ts';
import type { Check } from './check.ts';

/** `calibration`: null when there is none. */
export function checkSpeed(calibration: Calibration | null): Check {
  if (calibration !== null) return { name: 'speed', state: 'ok', found: calibrationWords(calibration) };
  return {
    name: 'speed',
    state: 'ok',
    found: 'not measured yet: its worker measures it when nothing has run there for half a minute',
    fix: 'to have it measured at once: grid worker --calibrate',
  };
}
