/** Who may do what (invariant 8): the table that is asked before anything takes effect. */
import type { Operation, Role } from '@gryphgen/protocol';

const ranks: Record<Role, number> = { worker: 0, viewer: 1, submitter: 2, admin: 3 };

/** The least role that may ask for it. Workers ask nothing. */
const leastRole: Record<Operation, Role> = {
  ps: 'viewer',
  show: 'viewer',
  explain: 'viewer',
  dryRun: 'viewer',
  nodes: 'viewer',
  status: 'viewer',
  logs: 'viewer',
  spec: 'submitter',
  cancel: 'submitter',
  drain: 'admin',
  removeNode: 'admin',
};

export function mayAsk(role: Role, operation: Operation): boolean {
  return role !== 'worker' && ranks[role] >= ranks[leastRole[operation]];
}

export function maySubmit(role: Role): boolean {
  return role === 'submitter' || role === 'admin';
}

export function mayWatch(role: Role): boolean {
  return role !== 'worker';
}
