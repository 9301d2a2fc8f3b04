/** Asks nvidia-smi for this machine's devices. A machine without it has none; one where it hangs says so in words. */
import { execFile } from 'node:child_process';
import type { Device } from '@gryphgen/protocol';
import { readComputeCapabilities, readNvidiaSmi } from './nvidia-smi-report.ts';

/** A driver in trouble lets nvidia-smi hang for ever; a healthy one with eight cards takes two seconds. */
const answerMs = 15_000;
const maxAnswerBytes = 16 * 1024 * 1024;

export type DevicesFound =
  | { readonly ok: true; readonly devices: readonly Device[] }
  | { readonly ok: false; readonly why: string };

export async function findDevices(program = 'nvidia-smi', timeoutMs = answerMs): Promise<DevicesFound> {
  const report = await ask(program, ['-q', '-x'], timeoutMs);
  if ('missing' in report) return { ok: true, devices: [] };
  if ('why' in report) return { ok: false, why: report.why };
  const versions = await ask(program, ['--query-gpu=uuid,compute_cap', '--format=csv,noheader'], timeoutMs);
  const devices = readNvidiaSmi(
    report.text,
    readComputeCapabilities('text' in versions ? versions.text : ''),
  );
  return devices === undefined
    ? { ok: false, why: `${program} -q -x did not print a report: ${report.text.slice(0, 200)}` }
    : { ok: true, devices };
}

type Answer = { readonly text: string } | { readonly missing: true } | { readonly why: string };

function ask(program: string, args: readonly string[], timeoutMs: number): Promise<Answer> {
  const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: maxAnswerBytes } as const;
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ text: stdout });
      else if (error.code === 'ENOENT') resolve({ missing: true });
      else if (error.killed) resolve({ why: `${program} did not answer within ${timeoutMs} ms` });
      else resolve({ why: `${program} failed: ${(stderr || stdout || error.message).trim().slice(0, 500)}` });
    });
  });
}
