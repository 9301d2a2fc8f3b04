/** Asks nvidia-smi for this machine's devices. A machine without it has none; one where it hangs says so in words. */
import { execFile } from 'node:child_process';
import { readMigNames } from './mig-names.ts';
import { type DevicesReading, hasMig, readComputeCapabilities, readNvidiaSmi } from './nvidia-smi-report.ts';

/** A driver in trouble lets nvidia-smi hang for ever; a healthy one with eight cards takes two seconds. */
const answerMs = 15_000;
const maxAnswerBytes = 16 * 1024 * 1024;

export type DevicesFound =
  | { readonly ok: true; readonly reading: DevicesReading }
  /** `missing`: there is no such program, so most likely no card. */
  | { readonly ok: false; readonly missing: boolean; readonly why: string };

export async function findDevices(program = 'nvidia-smi', timeoutMs = answerMs): Promise<DevicesFound> {
  const { text, why, missing } = await ask(program, ['-q', '-x'], timeoutMs);
  // One card that fell off makes it exit with an error after it has told of the others.
  if (missing || !text.includes('<nvidia_smi_log'))
    return { ok: false, missing, why: why || noReport(program, text) };
  const [versions, list] = await Promise.all([
    ask(program, ['--query-gpu=uuid,compute_cap', '--format=csv,noheader'], timeoutMs),
    hasMig(text) ? ask(program, ['-L'], timeoutMs) : { text: '' },
  ]);
  const reading = readNvidiaSmi(text, readComputeCapabilities(versions.text), readMigNames(list.text));
  if (reading === undefined) return { ok: false, missing, why: noReport(program, text) };
  return { ok: true, reading: why === '' ? reading : { ...reading, problems: [why, ...reading.problems] } };
}

function noReport(program: string, text: string): string {
  return `${program} -q -x did not print a report: ${text.trim().slice(0, 200) || 'nothing'}`;
}

interface Answer {
  /** What was printed, also when it failed. */
  readonly text: string;
  /** Why it failed; empty when it did not. */
  readonly why: string;
  readonly missing: boolean;
}

function ask(program: string, args: readonly string[], timeoutMs: number): Promise<Answer> {
  const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: maxAnswerBytes } as const;
  return new Promise((resolve) => {
    execFile(program, args, options, (error, text, stderr) => {
      const missing = error?.code === 'ENOENT';
      if (error === null) resolve({ text, why: '', missing });
      else if (missing) resolve({ text, why: `${program} is not installed`, missing });
      else if (error.killed)
        resolve({ text, why: `${program} did not answer within ${timeoutMs} ms`, missing });
      else {
        const words = (stderr || (text.startsWith('<') ? '' : text) || error.message).trim();
        resolve({ text, why: `${program} failed: ${words.slice(0, 500)}`, missing });
      }
    });
  });
}
