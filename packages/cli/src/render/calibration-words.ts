/** What a machine was measured to be, for people. */
import {
  type Calibration,
  type Device,
  formatBytes,
  formatTime,
  hostSeat,
  type ModelRate,
} from '@gryphgen/protocol';

const GiB = 1024 ** 3;

/** `0.71 (all threads 1.4), memory 9.1 GiB/s, disk writes 310 MiB/s, reads 1.2 GiB/s, measured 2026-11-21T14:30:05Z` */
export function calibrationWords(calibration: Calibration): string {
  const { at, cpuSingle, cpuMulti, memoryBytesPerS, diskWriteBytesPerS, diskReadBytesPerS } = calibration;
  const all = cpuMulti === undefined ? '' : ` (all threads ${twoDigits(cpuMulti)})`;
  return [
    cpuSingle === undefined ? '' : `${twoDigits(cpuSingle)}${all}`,
    speed('memory', memoryBytesPerS),
    speed('disk writes', diskWriteBytesPerS),
    speed('reads', diskReadBytesPerS),
    `measured ${formatTime(at)}`,
  ]
    .filter((words) => words !== '')
    .join(', ');
}

/** `host: weights 18 GiB/s, prompts 380 tokens/s (llama.cpp 0.7.0, a model of 1.2 GiB)` */
export function modelRateWords(rate: ModelRate, devices: readonly Device[]): string {
  const { seat, weightsBytesPerS, promptTokensPerS, engine, modelBytes } = rate;
  const device = devices.find(({ uuid }) => uuid === seat);
  const place = seat === hostSeat ? 'host' : (device?.name ?? seat);
  const prompts = `prompts ${twoDigits(promptTokensPerS)} tokens/s`;
  const by = `llama.cpp ${engine}, a model of ${formatBytes(modelBytes)}`;
  return `${place}: ${speed('weights', weightsBytesPerS)}, ${prompts} (${by})`;
}

function twoDigits(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function speed(what: string, bytesPerS: number | undefined): string {
  if (bytesPerS === undefined) return '';
  const [amount, unit] = bytesPerS < GiB ? [(1024 * bytesPerS) / GiB, 'MiB'] : [bytesPerS / GiB, 'GiB'];
  return `${what} ${twoDigits(amount)} ${unit}/s`;
}
