/**
 * Waiting tasks, by class: tasks of one principal (and of one for whom it asks), shape and priority, which placement cannot tell apart. A class that found
 * no place is not tried again before capacity changed, so a freed device wakes classes, not a million tasks.
 *
 * 1. Within a class: by task id, first in, first out; a task that comes back (retry, loss) goes before those accepted
 *    after it. Ids of ephemeral tasks are of another order, so those have classes of their own.
 * 2. The first of a class is always one that waits. Ids that leave from further behind stay in line as `gone`, until
 *    they are half of it: a line is never longer than twice what waits in it and a little.
 */
import type { PrincipalId, TaskId } from '@gryphgen/protocol';
import { isEphemeral } from '@gryphgen/protocol';
import { nameWithParty, partyOf } from '../principals/party.ts';
import type { Spec } from '../state.ts';
import type { Choice } from './choosing.ts';

export interface WaitingClass {
  readonly shapeKey: string;
  readonly priority: number;
  readonly ephemeral: boolean;
  /** Whose they are; '' of those who have no classes of their own (shares.ts). */
  readonly owner: PrincipalId | '';
  /** For whom the owner asks; '' of those who say nothing of it. */
  readonly party: string;
  /** Ids in ascending order; those before `head` are free places. */
  line: TaskId[];
  head: number;
  /** Those in line that wait no more. */
  readonly gone: Set<TaskId>;
  /** Capacity version at which it last found no place; -1 when it may try. */
  blockedAt: number;
  /** Wall ms at which one of it was last placed; 0: none was since it began to wait. */
  servedAt: number;
  /** It waits for a better worker than it could have. */
  choice: Choice | null;
  /** Watch time before which no worker is searched for on which room could be kept (claims.ts). */
  searchAgainAt: number;
}

/** Free places in front that are not worth a copy of the line, and ids gone that are not worth a pass over it. */
const keptFree = 4096;
const keptGone = 64;

export class WaitingQueue {
  /** By shape, of those by owner and party, of those by lane: of which priority, durable or ephemeral. */
  private readonly shapes = new Map<string, Map<string, Map<number, WaitingClass>>>();
  /** Waiting tasks, those in backoff not counted. */
  size = 0;
  /** Grows whenever a worker may have become able to take more. */
  capacityVersion = 0;

  /** The id is not in the queue. */
  add(spec: Spec, id: TaskId, owner: PrincipalId | '' = ''): void {
    this.size += 1;
    const into = this.classOf(spec, id, owner);
    const { line } = into;
    const last = line.at(-1);
    if (last === undefined || last < id) line.push(id);
    else insert(into, id);
  }

  /** The id is in the queue: its task was placed at `servedAt` (wall ms), or has ended. */
  remove(spec: Spec, id: TaskId, owner: PrincipalId | '' = '', servedAt = 0): void {
    this.size -= 1;
    const from = this.classOf(spec, id, owner);
    if (servedAt > 0) from.servedAt = servedAt;
    if (from.line[from.head] !== id) {
      from.gone.add(id);
      if (from.gone.size > keptGone && 2 * from.gone.size > from.line.length - from.head) dropGone(from);
      return;
    }
    do from.head += 1;
    while (from.gone.size > 0 && from.gone.delete(from.line[from.head] as TaskId));
    if (from.head === from.line.length) this.drop(from);
    else if (from.head > keptFree && from.head * 2 > from.line.length) {
      from.line = from.line.slice(from.head);
      from.head = 0;
    }
  }

  classes(): WaitingClass[] {
    const all: WaitingClass[] = [];
    for (const owners of this.shapes.values())
      for (const lanes of owners.values()) for (const one of lanes.values()) all.push(one);
    return all;
  }

  /** The id whose turn it is in a class; undefined when none waits there. */
  first(from: WaitingClass): TaskId | undefined {
    return from.line[from.head];
  }

  /** Tasks that wait there. */
  lengthOf({ line, head, gone }: WaitingClass): number {
    return line.length - head - gone.size;
  }

  /** The last that wait there, at most so many. */
  last({ line, head, gone }: WaitingClass, count: number): TaskId[] {
    const found: TaskId[] = [];
    for (let at = line.length - 1; at >= head && found.length < count; at -= 1) {
      const id = line[at] as TaskId;
      if (!gone.has(id)) found.push(id);
    }
    return found;
  }

  /** Places in memory, those of ids that are gone included. */
  get places(): number {
    let places = 0;
    for (const { line } of this.classes()) places += line.length;
    return places;
  }

  private drop({ shapeKey, priority, ephemeral, owner, party }: WaitingClass): void {
    const owners = this.shapes.get(shapeKey);
    const name = nameWithParty(owner, party);
    const lanes = owners?.get(name);
    lanes?.delete(laneOf(priority, ephemeral));
    if (lanes?.size === 0) owners?.delete(name);
    if (owners?.size === 0) this.shapes.delete(shapeKey);
  }

  /** Where it waits, or would. */
  classOf({ shapeKey, envelope }: Spec, id: TaskId, owner: PrincipalId | '' = ''): WaitingClass {
    const { priority } = envelope;
    const ephemeral = isEphemeral(id);
    const party = owner === '' ? '' : partyOf(envelope, id);
    const name = nameWithParty(owner, party);
    const lane = laneOf(priority, ephemeral);
    let owners = this.shapes.get(shapeKey);
    if (owners === undefined) {
      owners = new Map();
      this.shapes.set(shapeKey, owners);
    }
    let lanes = owners.get(name);
    if (lanes === undefined) {
      lanes = new Map();
      owners.set(name, lanes);
    }
    let found = lanes.get(lane);
    if (found === undefined) {
      const line = { line: [], head: 0, gone: new Set<TaskId>() };
      const rest = { blockedAt: -1, servedAt: 0, choice: null, searchAgainAt: 0 };
      found = { shapeKey, priority, ephemeral, owner, party, ...line, ...rest };
      lanes.set(lane, found);
    }
    return found;
  }
}

function laneOf(priority: number, ephemeral: boolean): number {
  return 2 * priority + (ephemeral ? 1 : 0);
}

/** Into its place before the last: what stands on the shorter side of it moves by one. */
function insert(into: WaitingClass, id: TaskId): void {
  const at = placeOf(into, id);
  if (into.line[at] === id) {
    into.gone.delete(id);
    return;
  }
  if (at - into.head > into.line.length - at) {
    into.line.splice(at, 0, id);
    return;
  }
  const before = at - into.head;
  if (into.head === 0) openFront(into);
  const { line } = into;
  into.head -= 1;
  for (let index = into.head; index < into.head + before; index += 1) line[index] = line[index + 1] as TaskId;
  line[into.head + before] = id;
}

/** The first place whose id is not lower. */
function placeOf({ line, head }: WaitingClass, id: TaskId): number {
  let [low, high] = [head, line.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((line[middle] as TaskId) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Free places in proportion to the line: thousands that come back to a long line together must not move it each. */
function openFront(into: WaitingClass): void {
  const free = 64 + (into.line.length >> 2);
  into.line = new Array<TaskId>(free).fill(0 as TaskId).concat(into.line);
  into.head = free;
}

function dropGone(from: WaitingClass): void {
  from.line = from.line.filter((id, place) => place >= from.head && !from.gone.has(id));
  from.head = 0;
  from.gone.clear();
}
