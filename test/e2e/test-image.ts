/** Before the end-to-end tests: the image that their containers are made of is there. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export function setup(): void {
  execFileSync('bash', [join(import.meta.dirname, '../../scripts/make-test-image.sh')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
