/** After a load the ledger goes by what was seen. */
import type { SessionId } from '@gryphgen/protocol';
import { beforeEach, expect, it } from 'vitest';
import type { Task } from '../state.ts';
import {
  add,
  ask,
  beginGrid,
  cancelled,
  done,
  gpu,
  grid,
  instance,
  model,
  ready,
  request,
  serving,
} from './instances.fixture.ts';
import { MiB } from './models.fixture.ts';

const card = 'g' as never;
let worker: SessionId;
let task: Task;
let plannedMiB: number;

beforeEach(() => {
  beginGrid();
  worker = grid.worker('w-1', { ...serving, devices: [gpu('g', 4000)] });
  add({ idleMs: 3600_000 }, 1000);
});

function heldMiB(): number {
  return (grid.state.workers.get('w-1' as never)?.view.ledger.devices.get(card)?.vramBytes ?? 0) / MiB;
}

/** Heartbeats for so long, by which it holds so much. */
function holds(vramMiB: number, ms: number): void {
  for (let passed = 0; passed < ms; passed += 1000) {
    grid.mono += 1000;
    grid.wall += 1000;
    const seq = (grid.state.sessions.get(worker)?.heartbeatSeq ?? 0) + 1;
    const use = { vramBytes: vramMiB * MiB };
    grid.say(worker, { kind: 'heartbeat', seq, attempts: [[task.id, task.attempt, use]] } as never);
    grid.step({ kind: 'tick' });
  }
}

/** It is loaded, and has answered. */
function load(): void {
  const asked = request();
  task = instance();
  plannedMiB = heldMiB();
  ready(worker, task);
  done(worker, asked);
}

it('of a card what an instance was seen to take, and room to grow, once it has answered', () => {
  load();
  holds(1000, 10_000);
  expect(heldMiB()).toBe(plannedMiB);
  holds(1000, 10_000);
  expect(heldMiB()).toBe(1280);
  expect(model().instances[0]).toMatchObject({
    predictedBytes: plannedMiB * MiB,
    observedBytes: 1000 * MiB,
    heldBytes: 1280 * MiB,
  });
  for (const through of [false, true]) {
    const next = grid.restart(through).state;
    expect(next.workers.get('w-1' as never)?.view.ledger.devices.get(card)?.vramBytes).toBe(1280 * MiB);
    expect(next.tasks.get(task.id)?.lease?.planned?.devices[0]?.vramBytes).toBe(plannedMiB * MiB);
  }
  ask('unloadModel', { name: 'tiny' });
  done(worker, task, cancelled);
  expect(heldMiB()).toBe(0);
  expect(grid.task(task.id)?.outcome?.reservation?.devices[0]?.vramBytes).toBe(plannedMiB * MiB);
});

it('is never below what it holds later, nor above the plan', () => {
  load();
  holds(1000, 20_000);
  holds(1200, 5000);
  expect(heldMiB()).toBe(1280);
  holds(1300, 5000);
  expect(heldMiB()).toBe(1600);
  holds(1100, 5000);
  expect(heldMiB()).toBe(1600);
  holds(plannedMiB + 100, 5000);
  expect(heldMiB()).toBe(plannedMiB);
});

it('what a worker says cannot have the half of the plan given away, nor what nobody saw', () => {
  load();
  holds(0, 30_000);
  expect(heldMiB()).toBe(plannedMiB);
  holds(1, 30_000);
  expect(heldMiB()).toBeGreaterThanOrEqual(plannedMiB / 2);
  expect(heldMiB()).toBeLessThan(plannedMiB);
});

it('others are loaded in what is left', () => {
  const waits = () => {
    add({ name: 'other', replicas: { min: 1, max: 1 }, idleMs: 3600_000 }, 1100);
    return model('other').instances.length;
  };
  load();
  holds(1000, 5000);
  expect(waits()).toBe(0);
  holds(1000, 20_000);
  expect(model('other').instances).toMatchObject([{ state: 'pulling', devices: [card] }]);
});
