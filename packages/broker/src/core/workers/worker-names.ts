/**
 * What the broker calls a worker: as that calls itself, unless the name is another's. Orders, constraints and documents go
 * by it, so what is meant for one never reaches who only says its name.
 *
 * 1. A name belongs to the worker that has it first in the record; who says it later is known by it and the beginning of
 *    its own id, until a hello finds the name free.
 * 2. What reads as the id of a worker is nobody's name but that one's.
 */
import type { WorkerId } from '@gryphgen/protocol';
import type { BrokerState } from '../state.ts';

/** As of the fingerprint of a key. */
const idPattern = /^w-[0-9a-f]{16}$/;
const idDigits = 16;
const fewestDigits = 4;

/** Who has which name. Of journals of earlier versions several may have one. */
export class WorkerNames {
  private readonly holders = new Map<string, Set<WorkerId>>();

  holdersOf(name: string): ReadonlySet<WorkerId> {
    return this.holders.get(name) ?? nobody;
  }

  give(id: WorkerId, name: string): void {
    const holders = this.holders.get(name) ?? new Set();
    this.holders.set(name, holders.add(id));
  }

  take(id: WorkerId, name: string): void {
    const holders = this.holders.get(name);
    holders?.delete(id);
    if (holders?.size === 0) this.holders.delete(name);
  }
}

const nobody: ReadonlySet<WorkerId> = new Set();

export function nameFor(state: BrokerState, id: WorkerId, said: string): string {
  if (isFreeFor(state, id, said)) return said;
  const digits = id.replace(/^w-/, '');
  for (let count = fewestDigits; count <= idDigits; count += fewestDigits) {
    const name = `${said}-${digits.slice(0, count)}`;
    if (isFreeFor(state, id, name)) return name;
  }
  return id;
}

function isFreeFor({ workers, names }: BrokerState, id: WorkerId, name: string): boolean {
  if (name !== id && (idPattern.test(name) || workers.has(name as WorkerId))) return false;
  const holders = names.holdersOf(name);
  if (holders.size === 0) return true;
  if (!holders.has(id)) return false;
  if (holders.size === 1) return true;
  for (const first of workers.keys()) if (holders.has(first)) return first === id;
  return true;
}
