// Ten tasks from a program, and what they printed: `node docs/examples/sdk.mjs` in the checkout, with a grid up.
// The grid is found as `grid` finds it: GRID_HOME, GRID_BROKER, config.json.
import { connect } from '@gryphgen/client';

const client = await connect();
try {
  const numbers = Array.from({ length: 10 }, (_, index) => index + 1);
  console.log((await Promise.all(numbers.map(square))).join(' '));
} finally {
  await client.close();
}

async function square(n) {
  const { accepted, finished } = client.submit({
    kind: 'process',
    name: `square-${n}`,
    resources: { cpuMilli: 100, memoryBytes: 0, diskBytes: 0 },
    body: { command: ['sh', '-c', `echo $((${n} * ${n}))`] },
  });
  const task = await accepted; // it is on the broker's disk
  const { state, failure } = await finished; // a task that failed is an answer, not an error
  if (state !== 'succeeded') throw new Error(`square of ${n} ${state}: ${failure?.message}`);
  const pieces = [];
  for await (const bytes of client.logs(task)) pieces.push(bytes);
  return Buffer.concat(pieces).toString().trim();
}
