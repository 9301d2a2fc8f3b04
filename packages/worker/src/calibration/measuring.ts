/**
 * The process that measures a machine: `measuring.js FOLDER PART_MS`. It prints each part as a line of JSON as soon as it has
 * it, so that a disk that hangs costs nothing but its own part. All of it is at the lowest priority.
 */
import { availableParallelism, constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { diskRates, memoryRate, threadSpeed } from './rates.ts';

/** More threads than that are taken for as fast as these are. */
const mostThreads = 256;

async function measure(folder: string, partMs: number): Promise<void> {
  setPriority(0, constants.priority.PRIORITY_LOW);
  const cpuSingle = threadSpeed(partMs);
  tell({ cpuSingle });
  tell({ cpuMulti: await allThreads(partMs, cpuSingle) });
  tell({ memoryBytesPerS: memoryRate(partMs / 2) });
  const disk = diskRates(join(folder, `measured.${process.pid}`), folder, partMs);
  tell({ diskWriteBytesPerS: disk?.writeBytesPerS, diskReadBytesPerS: disk?.readBytesPerS });
}

/** All at once; threads of one core share it. */
async function allThreads(partMs: number, one: number): Promise<number> {
  const threads = availableParallelism();
  if (threads === 1) return one;
  const started = Math.min(threads, mostThreads);
  const speeds = await Promise.all(Array.from({ length: started }, () => speedOfThread(partMs)));
  const all = (speeds.reduce((sum, speed) => sum + speed, 0) * threads) / started;
  return Math.max(one, all); // on a machine that is busy with other things
}

function speedOfThread(partMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: partMs });
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}

function tell(part: Readonly<Record<string, number | undefined>>): void {
  process.stdout.write(`${JSON.stringify(part)}\n`);
}

if (isMainThread) await measure(process.argv[2] ?? '.', Number(process.argv[3]));
else parentPort?.postMessage(threadSpeed(workerData as number));
