/** What a container that is being ended is sent, and when: by an engine that only takes notes. */
import { systemAlarms, systemClock } from '@gryphgen/runtime';
import type { Container } from 'dockerode';
import { expect, it } from 'vitest';
import type { Fence } from '../core/fence.ts';
import type { ContainerNotes } from './container-notes.ts';
import { ContainerStop } from './container-stop.ts';

class Asked {
  readonly all: string[] = [];
  readonly lifted: Promise<void>;
  private isLifted: () => void = () => undefined;

  constructor() {
    this.lifted = new Promise((resolve) => {
      this.isLifted = resolve;
    });
  }

  readonly container = {
    kill: async ({ signal }: { signal: string }) => void this.all.push(signal),
    update: async ({ CpuQuota }: { CpuQuota: number }) => {
      this.all.push(`quota ${CpuQuota}`);
      this.isLifted();
    },
  } as unknown as Container;
}

it('is asked first, then killed, and only then let use all the CPU there is', async () => {
  const asked = new Asked();
  const notes = { noteStop: async () => void asked.all.push('note') } as unknown as ContainerNotes;
  const { signal } = new AbortController();
  const stop = new ContainerStop({ task: 1, attempt: 1, epoch: 1 } as unknown as Fence, {
    clock: systemClock,
    alarms: systemAlarms,
    signal,
    notes,
  });
  stop.begin(asked.container, 'SIGINT');
  stop.stop(20, 'cancel');
  await asked.lifted;
  stop.cease();
  expect(asked.all).toEqual(['note', 'SIGINT', 'SIGKILL', 'quota -1']);
});
