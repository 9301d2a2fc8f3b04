/** What a frame, a tick or a decision means for the broker's shell: in the order in which it is to be done. */
import type {
  Failure,
  Hello,
  Message,
  PeerHello,
  PrincipalId,
  Role,
  SessionId,
  ToBroker,
  WorkerId,
} from '@gryphgen/protocol';
import type { PeerKey } from '@gryphgen/runtime';

export type SessionOutput =
  | {
      readonly kind: 'reply';
      readonly peer: PeerKey;
      readonly session: SessionId | '';
      readonly message: Message;
    }
  | {
      readonly kind: 'opened';
      readonly session: SessionId;
      readonly peer: PeerKey;
      readonly key: string;
      readonly principal: PrincipalId;
      readonly role: Role;
      /** The key's, when the role is worker. */
      readonly worker: WorkerId | null;
      readonly hello: PeerHello;
    }
  /** Its hello was not believed. */
  | { readonly kind: 'turnedAway'; readonly hello: Hello; readonly failure: Failure }
  | {
      readonly kind: 'closed';
      readonly session: SessionId;
      readonly peer: PeerKey;
      readonly key: string;
      readonly reason: string;
    }
  | { readonly kind: 'messages'; readonly session: SessionId; readonly messages: readonly PassedOn[] };

/** What the core and the shell see of a session; credit and goodbyes stay here. */
export type PassedOn = Exclude<ToBroker, { kind: 'bye' | 'credit' }>;
