import { expect, it } from 'vitest';
import { GatewayMetrics } from './gateway-metrics.ts';

it('whatever was noted is told, much of it or little', async () => {
  const metrics = new GatewayMetrics(() => 3);
  for (let nth = 0; nth < 1000; nth += 1) {
    metrics.firstByte('/v1/embeddings', 'straight', 1);
    metrics.answered('/v1/embeddings', 2);
    metrics.used('tiny', { prompt: 5, cached: 1, output: 0 });
    metrics.ended('/v1/embeddings', 200, 30);
  }
  const text = await metrics.text();
  for (const line of [
    'answers_total{way="straight"} 1000',
    'first_byte_seconds_bucket{le="0.005",route="/v1/embeddings"} 1000',
    'answer_bytes_total{route="/v1/embeddings"} 2000',
    'tokens_total{model="tiny",kind="prompt"} 5000',
    'tokens_total{model="tiny",kind="cached"} 1000',
    'requests_total{route="/v1/embeddings",status="200"} 1000',
    'request_seconds_count{route="/v1/embeddings"} 1000',
    'open_requests 3',
  ])
    expect(text).toContain(`gryphgen_gateway_${line}\n`);
  metrics.ended('none', 404, 1);
  expect(await metrics.text()).toContain('gryphgen_gateway_requests_total{route="none",status="404"} 1\n');
});
