/**
 * The newest commit that was acknowledged, beside the log: what an opening after a kill can hold the log's end against.
 *
 * 1. Written after each commit and never synced: it costs a copy into memory. A killed process loses nothing of that; a
 *    machine that stopped may, so it counts only until the machine is started anew, known by the kernel's boot id.
 * 2. One write of one line of fixed length: no kill can leave half of it.
 * 3. What cannot be written is emptied: an older commit would say that a newer one was never acknowledged.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ChainPoint } from './chain-reader.ts';
import { hex, sha256 } from './digest-chain.ts';

const bootIdFile = '/proc/sys/kernel/random/boot_id';
const line = /^(([0-9a-f-]{36}) ([0-9]{16}) ([0-9a-f]{64})) ([0-9a-f]{64})\n$/;

export interface Acknowledged {
  readonly seq: number;
  readonly digest: string;
}

/** Undefined when there is none of this start of the machine. */
export function readAcknowledged(dir: string): Acknowledged | undefined {
  const path = pathIn(dir);
  if (!existsSync(path)) return undefined;
  const [, words, boot, seq, digest = '', check] = line.exec(readFileSync(path, 'latin1')) ?? [];
  if (words === undefined || check !== checkOf(words) || boot !== bootId()) return undefined;
  return { seq: Number(seq), digest };
}

export class AcknowledgedFile {
  readonly #file: number;
  #boot: string | undefined;

  constructor(dir: string) {
    this.#file = openSync(pathIn(dir), existsSync(pathIn(dir)) ? 'r+' : 'wx', 0o600);
    this.#boot = bootId();
  }

  /** Throws what the file system says. */
  note({ seq, digest }: ChainPoint): void {
    if (this.#boot === undefined) return;
    const words = `${this.#boot} ${String(seq).padStart(16, '0')} ${hex(digest)}`;
    try {
      writeSync(this.#file, `${words} ${checkOf(words)}\n`, 0);
    } catch {
      // A full disk that copies what it changes.
      this.#boot = undefined;
      ftruncateSync(this.#file);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** A damaged line would tell of commits that never were. */
function checkOf(words: string): string {
  return hex(sha256(Buffer.from(words)));
}

function pathIn(dir: string): string {
  return join(dir, 'acknowledged');
}

/** Undefined where the kernel does not tell: nothing is known of a kill there. */
function bootId(): string | undefined {
  return existsSync(bootIdFile) ? readFileSync(bootIdFile, 'latin1').trim() : undefined;
}
