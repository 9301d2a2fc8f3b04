/**
 * Waiting tasks, by class: tasks of one shape and priority, which placement cannot tell apart. A class that found no
 * place is not tried again before capacity changed, so a freed device wakes classes, not a million tasks.
 *
 * Within a class: first in, first out by task id; a task that comes back (retry, loss) goes before those still in line.
 * Tasks that left (cancelled) are skipped when they reach the front: `holds` says whether one still waits.
 */
import type { TaskId } from '@gryphgen/protocol';
import type { Spec } from './state.ts';

export interface WaitingClass {
  readonly name: string;
  readonly spec: Spec;
  readonly priority: number;
  /** Ids in order; those before `head` are taken. */
  line: TaskId[];
  head: number;
  /** Capacity version at which it last found no place; -1 when it may try. */
  blockedAt: number;
}

export class WaitingQueue {
  private readonly classes = new Map<string, WaitingClass>();
  private ordered: WaitingClass[] | null = null;
  /** Waiting tasks, those in backoff not counted. */
  size = 0;
  /** Grows whenever a worker may have become able to take more. */
  capacityVersion = 0;

  push(spec: Spec, id: TaskId): void {
    this.classOf(spec).line.push(id);
    this.size += 1;
  }

  /** For a task that comes back: keeps the line in order of ids. */
  pushBack(spec: Spec, id: TaskId): void {
    const into = this.classOf(spec);
    let at = into.head;
    while (at < into.line.length && (into.line[at] as TaskId) < id) at += 1;
    if (at === into.head && into.head > 0) {
      into.head -= 1;
      into.line[into.head] = id;
    } else {
      into.line.splice(at, 0, id);
    }
    this.size += 1;
  }

  /** A task no longer waits: placed (its entry was taken) or ended (its entry is skipped later). */
  left(): void {
    this.size -= 1;
  }

  /** Classes by priority, then by the age of their first task's class. */
  inOrder(): readonly WaitingClass[] {
    this.ordered ??= [...this.classes.values()].sort((a, b) => b.priority - a.priority);
    return this.ordered;
  }

  /** The next id of a class for which `holds` is true, left in line; undefined when the class is empty. */
  peek(from: WaitingClass, holds: (id: TaskId) => boolean): TaskId | undefined {
    while (from.head < from.line.length) {
      const id = from.line[from.head] as TaskId;
      if (holds(id)) return id;
      from.head += 1;
    }
    this.drop(from);
    return undefined;
  }

  /** Takes the id that peek returned out of the line. */
  take(from: WaitingClass): void {
    from.head += 1;
    if (from.head === from.line.length) this.drop(from);
    else if (from.head > 4096 && from.head * 2 > from.line.length) {
      from.line = from.line.slice(from.head);
      from.head = 0;
    }
  }

  private drop(from: WaitingClass): void {
    this.classes.delete(from.name);
    this.ordered = null;
  }

  private classOf(spec: Spec): WaitingClass {
    const name = `${spec.envelope.priority} ${spec.shapeKey}`;
    let found = this.classes.get(name);
    if (found === undefined) {
      found = { name, spec, priority: spec.envelope.priority, line: [], head: 0, blockedAt: -1 };
      this.classes.set(name, found);
      this.ordered = null;
    }
    return found;
  }
}
