/**
 * Who may do what with a collection (E36). One table, asked for each task before anything is read or changed.
 *
 * 1. Who asks is whom the broker names, never what a body says; whom it does not name is nobody's friend.
 * 2. An admin may do everything; what nobody is known to own, admins alone may change.
 */
import type { IngestBody, PrincipalId, Readers, RetrieveBody } from '@gryphgen/protocol';

/** By the broker's word. */
export interface Asker {
  /** Undefined where an older broker does not tell. */
  readonly principal: PrincipalId | undefined;
  readonly byAdmin: boolean;
}

export interface Access {
  /** Null where nobody knows: collections of before there were owners. */
  readonly owner: string | null;
  readonly readers: Readers;
}

/** What a task needs of the collection that it names; null where it names none. */
export type Need = 'read' | 'change' | null;

export function needOf(body: IngestBody | RetrieveBody): Need {
  switch (body.op) {
    case 'list':
    // The broker's own: whoever has a copy keeps to what its owner says of who may ask.
    case 'copy':
    case 'follow':
    case 'letGo':
      return null;
    case 'query':
    case 'statistics':
    case 'candidates':
    case 'unembedded':
    case 'failed':
    case 'feedback':
      return 'read';
    case 'weights':
      return 'change' in body ? 'change' : 'read';
    case 'sync':
    case 'remove':
    case 'embed':
    case 'vectors':
    case 'redact':
    case 'reveal':
    case 'access':
    case 'forget':
      return 'change';
    default:
      return body satisfies never;
  }
}

export function may({ principal, byAdmin }: Asker, need: Need, { owner, readers }: Access): boolean {
  if (byAdmin || need === null) return true;
  if (need === 'read' && readers === 'everyone') return true;
  if (principal === undefined) return false;
  if (principal === owner) return true;
  return need === 'read' && readers !== 'owner' && readers !== 'everyone' && readers.includes(principal);
}
