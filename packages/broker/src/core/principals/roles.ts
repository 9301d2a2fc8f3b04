/**
 * Who may do what with whose work (invariant 8): the one table. gate.ts asks it before anything takes effect, and whoever
 * looks for a task asks it for that one; docs/security.md shows it, and a test holds the two together cell by cell.
 */
import type { Operation, PrincipalId, Role } from '@gryphgen/protocol';
import type { Session, Task } from '../state.ts';

/** What a session may say. `work`: what a worker tells of its machine and of the attempts it holds. */
export type Deed = Operation | 'submit' | 'watch' | 'work';
/**
 * On whose work: nobody's; its own, which is what its principal submitted, of a worker what is leased to it; everybody's.
 * Of what is no work, `all` is yes.
 */
type Extent = 'none' | 'own' | 'all';

const rights: Record<Deed, readonly [viewer: Extent, submitter: Extent, admin: Extent]> = {
  submit: ['none', 'own', 'own'],
  ps: ['all', 'own', 'all'],
  show: ['all', 'own', 'all'],
  explain: ['all', 'own', 'all'],
  watch: ['all', 'own', 'all'],
  logs: ['all', 'own', 'all'],
  spec: ['none', 'own', 'all'],
  cancel: ['none', 'own', 'all'],
  exec: ['none', 'own', 'all'],
  fetch: ['all', 'own', 'all'],
  store: ['none', 'all', 'all'],
  keepLogs: ['none', 'none', 'none'],
  relay: ['none', 'none', 'none'],
  nodes: ['all', 'all', 'all'],
  status: ['all', 'all', 'all'],
  dryRun: ['all', 'all', 'all'],
  pushImage: ['none', 'all', 'all'],
  drain: ['none', 'none', 'all'],
  planDrain: ['none', 'none', 'all'],
  removeNode: ['none', 'none', 'all'],
  policy: ['all', 'all', 'all'],
  models: ['all', 'all', 'all'],
  planModel: ['all', 'all', 'all'],
  addModel: ['none', 'none', 'all'],
  removeModel: ['none', 'none', 'all'],
  loadModel: ['none', 'none', 'all'],
  unloadModel: ['none', 'none', 'all'],
  tuneModel: ['none', 'none', 'all'],
  collections: ['all', 'all', 'all'],
  placeCollection: ['none', 'all', 'all'],
  moveShard: ['none', 'none', 'all'],
  answers: ['none', 'all', 'all'],
  pastTasks: ['none', 'none', 'all'],
  promotePolicy: ['none', 'none', 'all'],
  rollBackPolicy: ['none', 'none', 'all'],
  createTicket: ['none', 'none', 'all'],
  fsck: ['none', 'none', 'all'],
  announce: ['none', 'none', 'all'],
  tickets: ['none', 'none', 'all'],
  revokeTicket: ['none', 'none', 'all'],
  principals: ['none', 'none', 'all'],
  revokePrincipal: ['none', 'none', 'all'],
  enrol: ['none', 'none', 'none'],
  work: ['none', 'none', 'none'],
};
const workersDeeds: ReadonlySet<Deed> = new Set(['work', 'fetch', 'store', 'keepLogs', 'relay']);
const people = ['viewer', 'submitter', 'admin'] as const;

function extentOf(role: Role, deed: Deed): Extent {
  switch (role) {
    case 'worker':
      return workersDeeds.has(deed) ? 'own' : 'none';
    case 'ticket':
      return deed === 'enrol' ? 'own' : 'none';
    // Its sessions are those of whom it acts for (introduction.ts).
    case 'delegate':
      return 'none';
    default:
      return rights[deed][people.indexOf(role)] as Extent;
  }
}

/** Whether there is anything at all with which it may do this. */
export function mayEver({ role }: Session, deed: Deed): boolean {
  return extentOf(role, deed) !== 'none';
}

/** Whether it may do this with the task. One with which it may not is told as if it were not there. */
export function mayWith(session: Session, deed: Deed, task: Pick<Task, 'principal' | 'lease'>): boolean {
  const extent = extentOf(session.role, deed);
  return extent === 'all' || (extent === 'own' && isOwn(session, task));
}

function isOwn({ worker, principal }: Session, task: Pick<Task, 'principal' | 'lease'>): boolean {
  return worker === null ? task.principal === principal : task.lease?.worker === worker;
}

/** Who must have submitted what it may do this with; null: anybody. */
export function onlyOf({ role, principal }: Session, deed: Deed): PrincipalId | null {
  return extentOf(role, deed) === 'all' ? null : principal;
}
