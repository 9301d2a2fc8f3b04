/**
 * How who was lent a slot of a model comes to ask its server itself (E42): worker and asker show each other that both have read the
 * file with the server's key, which nobody but the OS user of that machine can.
 *
 * 1. Where a door is, is told to nobody but who names the boot of this machine and its OS user, which nobody elsewhere could guess.
 * 2. No address is believed, and the key is told nowhere: what goes between them is a hash of it and of the loan, which opens nothing.
 * 3. Who offers a door may be another machine's, and mean harm: of the files of this one only such is read as a key's may be, nothing of
 *    it leaves but that hash, and nobody is asked at a socket who has not shown it first.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { AttemptNo, TaskId } from '@gryphgen/protocol';
import { bootId } from '../process-identity.ts';
import type { Door } from './ask-llama.ts';

const keyForm = /^[0-9a-f]{64}\n$/;
const keyFileBytes = 65;
const othersMode = 0o077;

/** With the file in which its key is. */
export interface KeptDoor extends Door {
  readonly apiKeyFile: string;
}

/** `proof`: that who offers it has the key. */
export interface DoorOffer {
  readonly socketPath: string;
  readonly apiKeyFile: string;
  readonly proof: string;
}

export interface DoorLoan {
  readonly channel: string;
  readonly task: TaskId;
  readonly attempt: AttemptNo;
}

export interface OpenedDoor {
  readonly door: Door;
  /** For who offered it: that this one has the key, too. */
  readonly proof: string;
}

/** Of this boot of this machine, and of this OS user. Undefined where the system does not tell. */
export function hereMark(): string | undefined {
  try {
    return hash('sha256', `${bootId()} ${process.getuid?.()}`, 'hex');
  } catch {
    return undefined; // no /proc: then everybody is elsewhere
  }
}

export function offerDoor({ socketPath, apiKeyFile, apiKey }: KeptDoor, loan: DoorLoan): DoorOffer {
  return { socketPath, apiKeyFile, proof: proofOf(apiKey, 'worker', loan) };
}

/** Undefined where it is another machine's, another user's, or none. */
export async function openDoor(
  { socketPath, apiKeyFile, proof }: DoorOffer,
  loan: DoorLoan,
): Promise<OpenedDoor | undefined> {
  const apiKey = isAbsolute(apiKeyFile) && isAbsolute(socketPath) ? await keyIn(apiKeyFile) : undefined;
  if (apiKey === undefined || !isSame(proof, proofOf(apiKey, 'worker', loan))) return undefined;
  return { door: { socketPath, apiKey }, proof: proofOf(apiKey, 'asker', loan) };
}

/** Whether who takes it has shown that it has the key. */
export function isShown({ apiKey }: Door, loan: DoorLoan, proof: string): boolean {
  return isSame(proof, proofOf(apiKey, 'asker', loan));
}

function proofOf(apiKey: string, who: 'worker' | 'asker', { channel, task, attempt }: DoorLoan): string {
  return createHmac('sha256', apiKey).update(`${who} ${channel} ${task} ${attempt}`).digest('hex');
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A file is looked at before it is opened: to open what is none may wait, or do something. */
async function keyIn(path: string): Promise<string | undefined> {
  try {
    const { uid, mode, size } = await lstat(path);
    const isOurs = uid === process.getuid?.() && (mode & othersMode) === 0;
    if (!isOurs || (mode & constants.S_IFMT) !== constants.S_IFREG || size !== keyFileBytes) return undefined;
    const flag = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const text = await readFile(path, { encoding: 'utf8', flag });
    return keyForm.test(text) ? text.trim() : undefined;
  } catch {
    return undefined; // there is none, or it is not for us: the worker answers as it did
  }
}
