/**
 * What a container remembers of its lease: enough for a later life of the worker to adopt it, and never anything from
 * the task's environment.
 */

import type { AttemptNo, Epoch, TaskId } from '@gryphgen/protocol';
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
export function containerNameOf({ grid }: Owner, fence: Fence): string {
  return `gg-${grid.replace(/^g-/, '').slice(0, 8)}-t${fence.task}.${fence.attempt}-e${fence.epoch}`;
}

export function writeLabels(owner: Owner, fence: Fence, facts: LeaseFacts): Record<string, string> {
  return {
    [names.grid]: owner.grid,
    [names.worker]: owner.worker,
    [names.task]: String(fence.task),
    [names.attempt]: String(fence.attempt),
    [names.epoch]: String(fence.epoch),
    [names.lease]: JSON.stringify(facts),
  };
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // which no schema accepts
  }
}
