import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeBody } from '@gryphgen/protocol';
import { createProcessExecutor, processesOf } from './executor-process-place.ts';
import { executorSuite } from './executor-suite.ts';

executorSuite({
  kind: 'process',
  create: createProcessExecutor,
  leftovers: async (place) => [
    ...(await readdir(join(place.folder, 'scratch'))),
    ...(await processesOf(place)),
  ],
  body: (command) => encodeBody({ command }),
});
