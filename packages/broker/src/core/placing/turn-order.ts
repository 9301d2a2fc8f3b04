/**
 * Whose turn it is among the first of each class: higher priority first, as it has risen with waiting; then of the principal
 * that has had least of the grid for its weight; then what came first, what is expected to take long counting as
 * having come later (scheduler/learn/finish-planner.ts).
 *
 * 1. What a principal has had grows with each task that is placed, in the middle of a turn. So candidates stand in lines, one
 *    for each principal at each priority, and lines alone change places: one that is found to have moved back is put there.
 */
import type { PrincipalId } from '@gryphgen/protocol';
import { BinaryHeap } from '../binary-heap.ts';
import { foretold } from '../learning.ts';
import type { BrokerState, Task } from '../state.ts';
import type { WaitingClass } from './waiting-queue.ts';

export interface Candidate {
  readonly from: WaitingClass;
  readonly task: Task;
  /** As it has risen. */
  readonly priority: number;
  /** Wall ms at which it counts as having come. */
  readonly dueAt: number;
}

interface Line {
  readonly priority: number;
  readonly principal: PrincipalId;
  readonly candidates: BinaryHeap<Candidate>;
  /** Its place that counts; older ones are passed over. */
  place: Place | null;
}

interface Place {
  readonly line: Line;
  readonly standing: number;
  readonly first: Candidate;
}

/** Wall ms at which a task counts as having come, among those of its principal and priority. */
export function dueAt({ planner }: BrokerState, { spec, submittedAt }: Task): number {
  return submittedAt + planner.yieldsMs(foretold(spec.envelope));
}

export class TurnOrder {
  /** What a principal has had, for its weight; it may only grow. */
  private readonly standingOf: (principal: PrincipalId) => number;
  private readonly lines = new Map<PrincipalId, Map<number, Line>>();
  private places: BinaryHeap<Place>;
  private count: number;

  constructor(standingOf: (principal: PrincipalId) => number, candidates: readonly Candidate[] = []) {
    this.standingOf = standingOf;
    this.count = candidates.length;
    for (const candidate of candidates) this.lineOf(candidate).candidates.push(candidate);
    this.places = this.arranged();
  }

  get size(): number {
    return this.count;
  }

  push(candidate: Candidate): void {
    const line = this.lineOf(candidate);
    line.candidates.push(candidate);
    this.count += 1;
    this.places.push(this.placeOf(line));
  }

  pop(): Candidate | undefined {
    for (let place = this.places.pop(); place !== undefined; place = this.places.pop()) {
      const { line } = place;
      if (line.place !== place) continue;
      if (this.standingOf(line.principal) > place.standing) {
        this.places.push(this.placeOf(line));
        continue;
      }
      const candidate = line.candidates.pop() as Candidate;
      line.place = null;
      if (line.candidates.size > 0) this.places.push(this.placeOf(line));
      this.count -= 1;
      return candidate;
    }
    return undefined;
  }

  /** One pass, whatever goes. */
  keep(holds: (candidate: Candidate) => boolean): void {
    this.count = 0;
    for (const lines of this.lines.values()) {
      for (const { candidates } of lines.values()) {
        candidates.keep(holds);
        this.count += candidates.size;
      }
    }
    this.places = this.arranged();
  }

  private lineOf({ task: { principal }, priority }: Candidate): Line {
    let lines = this.lines.get(principal);
    if (lines === undefined) {
      lines = new Map();
      this.lines.set(principal, lines);
    }
    let line = lines.get(priority);
    if (line === undefined) {
      line = { priority, principal, candidates: new BinaryHeap(isOlder), place: null };
      lines.set(priority, line);
    }
    return line;
  }

  private arranged(): BinaryHeap<Place> {
    const places: Place[] = [];
    for (const lines of this.lines.values()) {
      for (const line of lines.values()) {
        line.place = null;
        if (line.candidates.size > 0) places.push(this.placeOf(line));
      }
    }
    return new BinaryHeap(isBefore, places);
  }

  /** Of a line that is not empty. */
  private placeOf(line: Line): Place {
    const first = line.candidates.top as Candidate;
    const place = { line, standing: this.standingOf(line.principal), first };
    line.place = place;
    return place;
  }
}

function isOlder(a: Candidate, b: Candidate): boolean {
  return (a.dueAt - b.dueAt || a.task.turn - b.task.turn || a.task.id - b.task.id) < 0;
}

function isBefore(a: Place, b: Place): boolean {
  const order = b.line.priority - a.line.priority || a.standing - b.standing;
  return order === 0 ? isOlder(a.first, b.first) : order < 0;
}
