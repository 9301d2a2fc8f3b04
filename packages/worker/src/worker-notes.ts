/** What the core notes, in words for whoever reads the worker's log. */
import type { Log } from '@gryphgen/runtime';
import type { WorkerNote } from './core/effects.ts';
import { nameOf } from './core/fence.ts';

export function writeNote(log: Log, note: WorkerNote): void {
  switch (note.kind) {
    case 'leaseLost':
      log.warn(
        { silentMs: note.silentMs, stopped: note.stopped },
        'no word from the broker: the lease is over',
      );
      break;
    case 'leaseRefused':
      log.warn({ attempt: nameOf(note.fence), why: note.why }, 'a lease was refused');
      break;
    case 'staleAck':
      log.warn(
        { attempt: nameOf(note.fence), phase: note.phase },
        'an acknowledgement of nothing was ignored',
      );
      break;
    case 'ended':
      log.info(
        { attempt: nameOf(note.fence), exitCode: note.exitCode, why: note.why },
        'an attempt ended badly',
      );
      break;
    case 'overuse':
      log.warn(
        { attempt: nameOf(note.fence), why: note.words },
        'an attempt holds more than was reserved for it',
      );
      break;
    default:
      note satisfies never;
  }
}
