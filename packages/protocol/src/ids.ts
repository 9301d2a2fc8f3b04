/**
 * Names of things on the grid. Task ids are small integers the broker hands out in order of acceptance: they make
 * maps compact (a million waiting tasks) and are short to type. People see `t42`, an attempt of it is `t42.1`.
 */
import { limits } from './limits.ts';

export type TaskId = number & { readonly brand: 'TaskId' };
/** Ordinal of a try of one task, from 1. Grows over the task's whole life, across broker epochs. */
export type AttemptNo = number & { readonly brand: 'AttemptNo' };
/** Fingerprint of the worker's enrolled key: `w-` and 16 hex digits. Stable across restarts and renames. */
export type WorkerId = string & { readonly brand: 'WorkerId' };
/** Who a request acts for: `p-` and 16 hex digits of the enrolled key. */
export type PrincipalId = string & { readonly brand: 'PrincipalId' };
/** A submission that was refused as impossible: `r3.17`, the 17th that broker epoch 3 keeps an explanation of. */
export type RefusalId = string & { readonly brand: 'RefusalId' };
/** One authenticated connection; unguessable, made by the broker. */
export type SessionId = string & { readonly brand: 'SessionId' };
/** One life of a client process; with a submission number it names a submission. */
export type ClientId = string & { readonly brand: 'ClientId' };
/** Grows by one each time a broker opens the journal. */
export type Epoch = number & { readonly brand: 'Epoch' };
export type DeviceUuid = string & { readonly brand: 'DeviceUuid' };
/** sha-256 of a blob, 64 hex digits. */
export type BlobHash = string & { readonly brand: 'BlobHash' };

/**
 * Ephemeral tasks are numbered apart and by epoch, so that a restarted broker, which knows nothing of them, can never
 * give one's number to another task: 2^52 + epoch · 2^32 + n.
 */
const ephemeralBase = 2 ** 52;
const perEpoch = 2 ** 32;

export function ephemeralTaskId(epoch: Epoch, n: number): TaskId {
  return (ephemeralBase + (epoch % 2 ** 20) * perEpoch + (n % perEpoch)) as TaskId;
}

export function isEphemeral(id: TaskId): boolean {
  return id >= ephemeralBase;
}

/** `t42`; an ephemeral one `e3.17` (the 17th of epoch 3) */
export function formatTaskId(id: TaskId): string {
  if (!isEphemeral(id)) return `t${id}`;
  const offset = id - ephemeralBase;
  return `e${Math.floor(offset / perEpoch)}.${offset % perEpoch}`;
}

/** What was asked of one of its slots' loans (E41): `e3.17` for the first, whose task it is, then `e3.17-2`. */
export function formatQuestionId(task: TaskId, question: number): string {
  return question === 1 ? formatTaskId(task) : `${formatTaskId(task)}-${question}`;
}

/** The task that answered `e3.17-2`. Undefined of what is no such name. */
export function parseQuestionId(text: string): TaskId | undefined {
  const found = /^(e[0-9.]+)-[1-9][0-9]{0,9}$/.exec(text);
  return found === null ? undefined : parseTaskId(found[1] ?? '');
}

/** Reads `t42`, `42` or `e3.17`. Returns undefined for anything else. */
export function parseTaskId(text: string): TaskId | undefined {
  const durable = /^t?([1-9][0-9]{0,14})$/.exec(text);
  if (durable) return Number(durable[1]) as TaskId;
  const ephemeral = /^e([0-9]{1,7})\.([0-9]{1,10})$/.exec(text);
  if (!ephemeral) return undefined;
  const [epoch, n] = [Number(ephemeral[1]), Number(ephemeral[2])];
  return epoch < 2 ** 20 && n < perEpoch ? ephemeralTaskId(epoch as Epoch, n) : undefined;
}

export function refusalId(epoch: Epoch, n: number): RefusalId {
  return `r${epoch}.${n}` as RefusalId;
}

/** Reads `r3.17`. Returns undefined for anything else. */
export function parseRefusalId(text: string): RefusalId | undefined {
  return /^r[1-9][0-9]{0,14}\.[1-9][0-9]{0,14}$/.test(text) ? (text as RefusalId) : undefined;
}

/**
 * Whether it is what a driver calls a device. It goes into environments and requests as an item of a list: nothing in it
 * may end the item.
 */
export function isDeviceUuid(text: string): text is DeviceUuid {
  return text.length <= limits.uuidChars && /^(?:GPU|MIG)-[0-9A-Za-z/-]+$/.test(text);
}
