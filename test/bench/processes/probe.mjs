/** Loaded before a daemon's own code (`node --import`): answers over IPC what memory is in use after a collection. */
import v8 from 'node:v8';
import vm from 'node:vm';

process.on('message', (question) => {
  if (question !== 'memory') return;
  v8.setFlagsFromString('--expose-gc');
  // The flag takes effect in contexts made after it is set.
  vm.runInNewContext('gc')();
  process.send?.({ kind: 'memory', use: process.memoryUsage() });
});
process.channel?.unref();
