import { encodeBody } from '@gryphgen/protocol';
import { executorSuite } from '../conformance/executor-suite.ts';
import { createContainerExecutor, image, leftovers } from './executor-container-place.ts';

executorSuite({
  kind: 'container',
  create: (place) => createContainerExecutor(place),
  leftovers,
  body: (command) => encodeBody({ image, command }),
});
