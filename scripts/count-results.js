/**
 * Sums what scripts/test.sh left in a folder and prints the last line of a run: `N passed, N failed`.
 *
 *   node scripts/count-results.js FOLDER      steps.tsv: name <tab> exit status; SUITE.json: vitest's json report
 *
 * 1. A step that failed counts at least one failed, whatever its report says: a suite that broke outside its tests
 *    (an import, an unhandled rejection, a time limit) has no failed test to show.
 * 2. Plain JavaScript without dependencies: it must count a failed `npm ci` as well.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
let passed = 0;
let failed = 0;
const broken = [];

for (const line of readFileSync(join(folder, 'steps.tsv'), 'utf8').trimEnd().split('\n')) {
  const [name, status] = line.split('\t');
  const report = join(folder, `${name.replace(/^test:/, '')}.json`);
  let failedHere = 0;
  if (name.startsWith('test:') && existsSync(report)) {
    const suite = JSON.parse(readFileSync(report, 'utf8'));
    passed += suite.numPassedTests;
    failedHere = suite.numFailedTests;
    for (const file of suite.testResults) {
      // a file that failed before its first test
      if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'))
        failedHere += 1;
    }
    const skipped = suite.numPendingTests + suite.numTodoTests;
    if (skipped > 0) console.log(`${name}: ${skipped} skipped`);
  }
  if (status !== '0') {
    failedHere = Math.max(failedHere, 1);
    broken.push(name);
  }
  failed += failedHere;
}

if (broken.length > 0) console.log(`\nfailed: ${broken.join(', ')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
