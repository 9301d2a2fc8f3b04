/** What is known of a model and its instances in this epoch beside their tasks: observations, all of them. */
import type { Failure, TaskId, WorkerId } from '@gryphgen/protocol';
import type { MemoryLack } from './memory-lacks.ts';

export interface InstanceLife {
  /** Watch time since which it is ready; null while it is not. */
  readySince: number | null;
  /** Watch time since which it is somewhere and not ready; null before, and once it was. */
  loadsSince: number | null;
  /** How long its load took; 0 while that is not known. */
  loadMs: number;
  /** Watch time since which it waits for a place; null while it does not. */
  waitsSince: number | null;
  /** Where it is to be, and why. */
  words: string;
}

export interface ModelLife {
  /** Somebody asked for an instance, and none was begun for it yet. */
  isWanted: boolean;
  /** Its envelope and body are being stored. */
  isPreparing: boolean;
  readonly instances: Map<TaskId, InstanceLife>;
  /** Of a trial: watch time since which its client has no session; null while it has one. */
  absentSince: number | null;
  /** Instances that take no more requests and end when they are idle: since which wall ms, and why. */
  readonly leaving: Map<TaskId, { readonly at: number; readonly words: string }>;
  /** Why those end that were told to. */
  readonly endings: Map<TaskId, Failure>;
  /** Watch time at which a request of it last began or ended there. */
  readonly usedOn: Map<WorkerId, number>;
  /** Watch time since which requests wait; null: none does. */
  waitsSince: number | null;
  /** Instances of other models that end to make room for one of this. */
  makesRoom: readonly TaskId[];
  /** Where that was made for those who had waited too long, until which watch time: no other model's is begun there first. */
  owed: { readonly worker: WorkerId; readonly until: number } | null;
  /** Watch time before which no place is looked for again: there was none. */
  planAgainAt: number;
  /** Watch time before which no place is looked for that answers sooner than those that do. */
  betterAgainAt: number;
  /** Why there was none. */
  reasons: readonly string[];
  /** Why no machine could hold it, were nothing else there; and of which version of the workers that was found. */
  never: { readonly words: string; readonly version: number } | null;
  /** Starts that failed in a row, and where. */
  failed: number;
  readonly shunned: Set<WorkerId>;
  /** Where one ran out of a device's memory, until it is served in another way or somebody has it tried again. */
  readonly lacks: Map<WorkerId, MemoryLack>;
  /** Why none is begun before `tryAgainAt` of the watch clock; '' where nothing is in the way. */
  trouble: string;
  tryAgainAt: number;
  /** Troubles in a row: each makes the next wait longer. */
  troubles: number;
}

/** Ready for so long, it counts as having come up: what failed before counts no more. */
export const provenMs = 30_000;

export function newLife(): ModelLife {
  return {
    isWanted: false,
    isPreparing: false,
    instances: new Map(),
    absentSince: null,
    leaving: new Map(),
    endings: new Map(),
    usedOn: new Map(),
    waitsSince: null,
    makesRoom: [],
    owed: null,
    planAgainAt: 0,
    betterAgainAt: 0,
    reasons: [],
    never: null,
    failed: 0,
    shunned: new Set(),
    lacks: new Map(),
    trouble: '',
    tryAgainAt: 0,
    troubles: 0,
  };
}

/** What failed is of no account any more: it is served in another way, or somebody wants it tried again. */
export function startAfresh(life: ModelLife): void {
  Object.assign(life, { failed: 0, trouble: '', troubles: 0, tryAgainAt: 0, planAgainAt: 0, reasons: [] });
  life.never = null;
  life.shunned.clear();
  life.lacks.clear();
}

export function instanceLife(life: ModelLife, id: TaskId): InstanceLife {
  const known = life.instances.get(id) ?? {
    readySince: null,
    loadsSince: null,
    loadMs: 0,
    waitsSince: null,
    words: '',
  };
  life.instances.set(id, known);
  return known;
}
