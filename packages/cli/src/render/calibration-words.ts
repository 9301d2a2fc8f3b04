/** What a machine was measured to be, for people. */
import { type Calibration, formatTime } from '@gryphgen/protocol';

const GiB = 1024 ** 3;

/** `0.71 (all threads 1.4), memory 9.1 GiB/s, disk writes 310 MiB/s, reads 1.2 GiB/s, measured 2026-11-21T14:30:05Z` */
export function calibrationWords(calibration: Calibration): string {
  const { at, cpuSingle, cpuMulti, memoryBytesPerS, diskWriteBytesPerS, diskReadBytesPerS } = calibration;
  const all = cpuMulti === undefined ? '' : ` (all threads ${twoDigits(cpuMulti)})`;
  return [
    cpuSingle === undefined ? '' : `${twoDigits(cpuSingle)}${all}`,
    rate('memory', memoryBytesPerS),
    rate('disk writes', diskWriteBytesPerS),
    rate('reads', diskReadBytesPerS),
    `measured ${formatTime(at)}`,
  ]
    .filter((words) => words !== '')
    .join(', ');
}

function twoDigits(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function rate(what: string, bytesPerS: number | undefined): string {
  if (bytesPerS === undefined) return '';
  const [amount, unit] = bytesPerS < GiB ? [(1024 * bytesPerS) / GiB, 'MiB'] : [bytesPerS / GiB, 'GiB'];
  return `${what} ${twoDigits(amount)} ${unit}/s`;
}
