import { encodeBody } from '@gryphgen/protocol';
import { executorSuite } from '../conformance/executor-suite.ts';
import { createContainerExecutor, image, leftovers } from './executor-container-place.ts';
import { WarmExecutor } from './warm-executor.ts';

const body = { image, warm: true };

executorSuite({
  kind: 'container',
  create: (place) =>
    new WarmExecutor(place.events, (events) => createContainerExecutor({ ...place, events })),
  prepare: (executor) => executor.prime(body),
  leftovers,
  body: (command) => encodeBody({ ...body, command }),
});
