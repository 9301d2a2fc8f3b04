/** A task that ended well, as a replay of the history needs it. */
import type { DeviceUuid } from './ids.ts';
import type { Envelope } from './task-spec.ts';

/** Times are wall-clock ms since 1970. */
export interface PastTask {
  readonly task: number;
  readonly taskClass: string;
  readonly shape: Pick<Envelope, 'kind' | 'resources' | 'constraints' | 'image' | 'needs'>;
  readonly inputBytes: number;
  /** Its id, and that of the first device it held. */
  readonly worker: string;
  readonly device?: DeviceUuid;
  readonly queuedAt: number;
  /** Of its last attempt; 0: not known. */
  readonly placedAt: number;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Newest first. `next`: to ask for those before; null: there are none. */
export interface PastTaskPage {
  readonly tasks: readonly PastTask[];
  readonly next: number | null;
}
