import { type Failure, failure, formatBytes } from '@gryphgen/protocol';

export function outOfMemory(limitBytes: number): Failure {
  const limit = limitBytes > 0 ? ` of ${formatBytes(limitBytes)}` : '';
  return failure('execution.oom', `the kernel killed it at its memory limit${limit}`);
}
