/** Who may do what (invariant 8): the table that is asked before anything takes effect. */
import { type Failure, failure, type Operation, type Role } from '@gryphgen/protocol';
import type { Session, Task } from './state.ts';

const ranks: Record<Role, number> = { ticket: 0, worker: 0, viewer: 1, submitter: 2, admin: 3 };

/** The least role that may ask for it. Workers ask for artifacts alone, a ticket for one thing. */
const leastRole: Record<Exclude<Operation, 'enrol'>, Role> = {
  ps: 'viewer',
  show: 'viewer',
  explain: 'viewer',
  dryRun: 'viewer',
  nodes: 'viewer',
  status: 'viewer',
  logs: 'viewer',
  exec: 'submitter',
  pushImage: 'submitter',
  fetch: 'viewer',
  store: 'submitter',
  spec: 'submitter',
  cancel: 'submitter',
  drain: 'admin',
  removeNode: 'admin',
  createTicket: 'admin',
  fsck: 'admin',
};

export function mayAsk(role: Role, operation: Operation): boolean {
  if (operation === 'enrol') return role === 'ticket';
  if (role === 'worker') return operation === 'fetch' || operation === 'store';
  return ranks[role] >= ranks[leastRole[operation]];
}

/** What ends a task or enters it is for who submitted it, and for admins. */
export function mayActOn({ role, principal }: Session, task: Task): boolean {
  return role === 'admin' || principal === task.principal;
}

export function forbidden({ role }: Session, what: string): Failure {
  return failure('rejected.forbidden', `role ${role} may not ${what}`);
}

export function maySubmit(role: Role): boolean {
  return role === 'submitter' || role === 'admin';
}

export function mayWatch(role: Role): boolean {
  return ranks[role] >= ranks.viewer;
}
