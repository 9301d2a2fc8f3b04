import { readdir } from 'node:fs/promises';
import { encodeBody } from '@gryphgen/protocol';
import { endProcesses, keeperPlace } from '@gryphgen/worker';
import { createProcessExecutor, processesOf } from './executor-process-place.ts';
import { executorSuite } from './executor-suite.ts';

executorSuite({
  kind: 'process',
  create: createProcessExecutor,
  leftovers: async (place) => {
    const left = [...(await readdir(keeperPlace(place.folder).root)), ...(await processesOf(place))];
    await endProcesses(place.folder);
    return left;
  },
  body: (command) => encodeBody({ command }),
});
