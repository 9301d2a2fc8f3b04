/**
 * How who was lent a slot of a model comes to ask its server itself (E42): worker and asker show each other that both have read the
 * file with the server's key, which nobody but the OS user of that machine can.
 *
 * 1. Where a door is, is told to nobody but who names the boot of this machine and its OS user, which nobody elsewhere could guess.
 * 2. No address is believed, and the key is told nowhere: what goes between them is a hash of it, of the socket and of the loan, which opens
 *    nothing.
 * 3. Who offers a door may be another machine's, and mean harm: of the files of this one only such is read as a key's may be, by name too,
 *    nothing of it leaves but that hash, and nobody is asked who has not shown it first, nor at any socket but such as a model's server
 *    of this user has.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, readFile } from 'node:fs/promises';
import { basename, isAbsolute } from 'node:path';
import type { AttemptNo, TaskId } from '@gryphgen/protocol';
import { bootId } from '../process-identity.ts';
import type { Door } from './ask-llama.ts';

const keyForm = /^[0-9a-f]{64}\n$/;
const keyFileBytes = 65;
const keyName = 'api-key';
const socketName = /^m-[0-9a-f]{12}\.sock$/;
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
  return { socketPath, apiKeyFile, proof: proofOf({ apiKey, socketPath }, 'worker', loan) };
}

/** Undefined where it is another machine's, another user's, or none. */
export async function openDoor(
  { socketPath, apiKeyFile, proof }: DoorOffer,
  loan: DoorLoan,
): Promise<OpenedDoor | undefined> {
  if (!isNamed(apiKeyFile, keyName) || !isNamed(socketPath, socketName)) return undefined;
  const apiKey = await keyIn(apiKeyFile);
  if (apiKey === undefined) return undefined;
  const door = { socketPath, apiKey };
  if (!isSame(proof, proofOf(door, 'worker', loan)) || !(await isSocket(socketPath))) return undefined;
  return { door, proof: proofOf(door, 'asker', loan) };
}

function isNamed(path: string, name: string | RegExp): boolean {
  const found = basename(path);
  return isAbsolute(path) && (typeof name === 'string' ? found === name : name.test(found));
}

/** Whether who takes it has shown that it has the key. */
export function isShown(door: Door, loan: DoorLoan, proof: string): boolean {
  return isSame(proof, proofOf(door, 'asker', loan));
}

function proofOf(
  { apiKey, socketPath }: Door,
  who: 'worker' | 'asker',
  { channel, task, attempt }: DoorLoan,
): string {
  return createHmac('sha256', apiKey)
    .update(`${who} ${channel} ${task} ${attempt} ${socketPath}`)
    .digest('hex');
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** As the key's file is, this user's own. */
async function isSocket(path: string): Promise<boolean> {
  try {
    const { uid, mode } = await lstat(path);
    return uid === process.getuid?.() && (mode & constants.S_IFMT) === constants.S_IFSOCK;
  } catch {
    return false; // there is none here, or none that we may see
  }
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
