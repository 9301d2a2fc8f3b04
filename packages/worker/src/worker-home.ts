import { lockFolder } from '@gryphgen/runtime/folder-lock';

/**
 * Two workers of one home would take each other's session (E2) and remove each other's containers. Returns how to let go
 * of it; throws who has it.
 */
export function lockWorkerHome(folder: string): () => Promise<void> {
  const taken = lockFolder(folder, 'worker', `process ${process.pid}`);
  if ('heldBy' in taken)
    throw new Error(
      `The worker's folder ${folder} is in use by ${taken.heldBy}. One worker at a time: stop that one, or choose another GRID_HOME.`,
    );
  return async () => taken.lock.release();
}
