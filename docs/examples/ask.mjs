// A question to a collection from a program, and where its answer stands:
//   grid rag add docs ./docs && node docs/examples/ask.mjs docs "How does a machine join?"
// in the checkout, with a grid up that has a model. The grid is found as `grid` finds it: GRID_HOME, GRID_BROKER, config.json.
import { askCollection, connect, Inference } from '@gryphgen/client';

const [collection = 'docs', question = 'How does a machine join?'] = process.argv.slice(2);
const client = await connect();
const inference = new Inference(client);
try {
  const { answer, why, supported, citations } = await askCollection(client, inference, {
    collection,
    question,
  });
  console.log(answer ?? `not in the collection: ${why}`);
  for (const { number, source, lines } of citations) console.log(`[${number}] ${source}:${lines.join('-')}`);
  if (answer !== null && !supported) console.log('it cites nothing that was read: do not rely on it');
} finally {
  await inference.close();
  await client.close();
}
