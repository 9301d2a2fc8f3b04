/**
 * Whose turn it is among the first of each class: higher priority first, as it has risen with waiting; then of the principal
 * that has had least of the grid for its weight; of those for whom that asks (`party`), of who had least of late; then what came first, what
 * is expected to take long counting as having come later (scheduler/learn/finish-planner.ts).
 *
 * 1. What a principal has had grows with each task that is placed, in the middle of a turn. So candidates stand in lines, one
 *    for each principal and party at each priority, and lines alone change places: one that is found to have moved back is put there.
 */
import type { PrincipalId } from '@gryphgen/protocol';
import { BinaryHeap } from '../binary-heap.ts';
import { foretold } from '../learning.ts';
import type { Standings } from '../principals/shares.ts';
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
  readonly party: string;
  readonly candidates: BinaryHeap<Candidate>;
  /** Its place that counts; older ones are passed over. */
  place: Place | null;
}

interface Place {
  readonly line: Line;
  readonly standing: number;
  readonly partyStanding: number;
  readonly first: Candidate;
}

/** Wall ms at which a task counts as having come, among those of its principal and priority. */
export function dueAt({ planner }: BrokerState, { spec, submittedAt }: Task): number {
  return submittedAt + planner.yieldsMs(foretold(spec.envelope));
}

export class TurnOrder {
  private readonly standings: Standings;
  private readonly lines = new Map<PrincipalId, Map<number | string, Line>>();
  private places: BinaryHeap<Place>;
  private count: number;

  constructor(standings: Standings, candidates: readonly Candidate[] = []) {
    this.standings = standings;
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
      if (this.hasMovedBack(place)) {
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

  private hasMovedBack({ line: { principal, party }, standing, partyStanding }: Place): boolean {
    const { standings } = this;
    return standings.of(principal) > standing || standings.ofParty(principal, party) > partyStanding;
  }

  private lineOf({ task: { principal }, from: { party }, priority }: Candidate): Line {
    let lines = this.lines.get(principal);
    if (lines === undefined) {
      lines = new Map();
      this.lines.set(principal, lines);
    }
    const name = party === '' ? priority : `${priority} ${party}`;
    let line = lines.get(name);
    if (line === undefined) {
      line = { priority, principal, party, candidates: new BinaryHeap(isOlder), place: null };
      lines.set(name, line);
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
    const { principal, party } = line;
    const standing = this.standings.of(principal);
    const place = { line, standing, partyStanding: this.standings.ofParty(principal, party), first };
    line.place = place;
    return place;
  }
}

function isOlder(a: Candidate, b: Candidate): boolean {
  return (a.dueAt - b.dueAt || a.task.turn - b.task.turn || a.task.id - b.task.id) < 0;
}

function isBefore(a: Place, b: Place): boolean {
  const order = b.line.priority - a.line.priority || a.standing - b.standing;
  const among = order || a.partyStanding - b.partyStanding;
  return among === 0 ? isOlder(a.first, b.first) : among < 0;
}
