/**
 * The process keeper: forked by the worker while that is still small, because forking costs by the parent's size
 * (2 ms from here, 21 ms from a worker of 1 GiB).
 *
 * 1. When the worker goes away, however it does, every group is killed and the keeper ends.
 */

import { ProcessGroup } from './process-group.ts';
import type { FromKeeper, ToKeeper } from './process-messages.ts';

const groups = new Map<string, ProcessGroup>();

function tell(message: FromKeeper): void {
  // Nobody to tell: `disconnect` comes next and ends it all.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

process.on('message', (message: ToKeeper) => {
  switch (message.kind) {
    case 'start': {
      const group = new ProcessGroup(message, tell);
      groups.set(message.key, group);
      void group.run().finally(() => groups.delete(message.key));
      break;
    }
    case 'stop':
      groups.get(message.key)?.stop(message.graceMs);
      break;
    case 'took':
      groups.get(message.key)?.taken();
      break;
    default:
      message satisfies never;
  }
});

process.on('disconnect', () => {
  for (const group of groups.values()) group.killGroup('SIGKILL');
  process.exit(0);
});

// A Ctrl-C at the terminal reaches the whole foreground group: it is for the worker, which then ends us.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
