/**
 * Loaded before a daemon's own code (`node --import`): answers over IPC how much memory is in use after a collection,
 * and ends the daemon with the benchmark that started it.
 */
import v8 from 'node:v8';
import vm from 'node:vm';

process.on('message', () => {
  // The flag takes effect in contexts made after it is set.
  v8.setFlagsFromString('--expose-gc');
  vm.runInNewContext('gc')();
  process.send?.(process.memoryUsage());
});
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
