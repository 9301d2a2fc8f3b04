/**
 * What a container remembers of its lease: enough for a later life of the worker to adopt it, and never anything from
 * the task's environment.
 */

import type { AttemptNo, Epoch, TaskId } from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import { z } from 'zod';
import type { Fence } from '../core/fence.ts';
import type { LeaseFacts } from '../core/state.ts';
import { leaseFactsSchema } from './lease-facts.ts';

/** The grid and the worker a container belongs to. */
export interface Owner {
  readonly grid: string;
  readonly worker: string;
}

const names = {
  grid: 'gryphgen.grid',
  worker: 'gryphgen.worker',
  task: 'gryphgen.task',
  attempt: 'gryphgen.attempt',
  epoch: 'gryphgen.epoch',
  lease: 'gryphgen.lease',
  preface: 'gryphgen.preface',
  image: 'gryphgen.image',
  /** Of a container that was started before there was an attempt for it. */
  warm: 'gryphgen.warm',
} as const;

const numeral = z
  .string()
  .regex(/^[0-9]{1,16}$/)
  .transform(Number)
  .refine(Number.isSafeInteger);
const labelsSchema = z.object({
  [names.task]: numeral.pipe(z.number().min(1)),
  [names.attempt]: numeral,
  [names.epoch]: numeral,
});

/** `gg-1f2e3d4c-t7.1-e3`: an attempt has one name, so that creating it twice is noticed by the engine. */
export function containerNameOf(owner: Owner, fence: Fence): string {
  return `${prefixOf(owner)}t${fence.task}.${fence.attempt}-e${fence.epoch}`;
}

/** `gg-1f2e3d4c-warm-9f86d081`: it keeps this name when an attempt gets it. */
export function warmNameOf(owner: Owner, nonce: string): string {
  return `${prefixOf(owner)}warm-${nonce.slice(0, 8)}`;
}

const prefixOf = ({ grid }: Owner) => `gg-${grid.replace(/^g-/, '').slice(0, 8)}-`;

export function writeLabels(owner: Owner, fence: Fence, facts: LeaseFacts): Record<string, string> {
  return {
    ...writeOwner(owner),
    [names.task]: String(fence.task),
    [names.attempt]: String(fence.attempt),
    [names.epoch]: String(fence.epoch),
    [names.lease]: JSON.stringify(facts),
  };
}

/** `nonce`: what its shell marks its own words with. Whose it becomes stands in the notes (container-notes.ts). */
export function writeWarmLabels(owner: Owner, nonce: string): Record<string, string> {
  return { ...writeOwner(owner), [names.warm]: nonce };
}

/** Null when it was made for an attempt. */
export function readNonce(labels: Readonly<Record<string, string>>): string | null {
  return labels[names.warm] ?? null;
}

function writeOwner({ grid, worker }: Owner): Record<string, string> {
  return { [names.grid]: grid, [names.worker]: worker };
}

/** What its log begins with before the container's own output: a later life that writes the log anew begins alike. */
export function writePreface(text: string): Record<string, string> {
  return text === '' ? {} : { [names.preface]: text };
}

export function readPreface(labels: Readonly<Record<string, string>> | undefined): string {
  return labels?.[names.preface] ?? '';
}

/** The name by which its image was found, with its digest where it has one: the engine knows an image by its id alone. */
export function writeImage(name: string): Record<string, string> {
  return { [names.image]: name };
}

export function readImage(labels: Readonly<Record<string, string>> | undefined): string {
  return labels?.[names.image] ?? '';
}

/** Which labels to ask the engine for. */
export function labelsOf(owner: Owner): string[] {
  return [`${names.grid}=${owner.grid}`, `${names.worker}=${owner.worker}`];
}

/** Undefined when these are not labels we wrote: what they say goes into a hello, which must stay one that is read. */
export function readLabels(
  labels: Readonly<Record<string, string>>,
): { readonly fence: Fence; readonly facts: LeaseFacts } | undefined {
  const read = labelsSchema.safeParse(labels);
  const facts = leaseFactsSchema.safeParse(parseJson(labels[names.lease] ?? ''));
  if (!read.success || !facts.success) return undefined;
  const fence: Fence = {
    task: read.data[names.task] as TaskId,
    attempt: read.data[names.attempt] as AttemptNo,
    epoch: read.data[names.epoch] as Epoch,
  };
  return { fence, facts: facts.data };
}
