/** The least that Node can put between a client and a llama-server: each request goes on as it came. Arguments: socket, key. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

const [socketPath = '', apiKey = ''] = process.argv.slice(2);

const server = createServer((asked, answered) => {
  const { method, url: path, headers } = asked;
  const onward = request({
    ...{ socketPath, path, agent: false },
    ...(method !== undefined && { method }),
    headers: { ...headers, authorization: `Bearer ${apiKey}` },
  });
  onward.once('response', (answer) => {
    answered.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] ?? '' });
    answer.pipe(answered);
  });
  onward.once('error', () => answered.destroy());
  asked.pipe(onward);
});

server.listen(0, '127.0.0.1', () => {
  process.send?.({ kind: 'ready', port: (server.address() as AddressInfo).port });
});
process.once('disconnect', () => process.exit());
