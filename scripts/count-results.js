/**
 * Sums what scripts/test.sh left in a folder, repeats what failed, and prints the last line of a run:
 * `N passed, N failed`.
 *
 *   node scripts/count-results.js FOLDER      steps.tsv: name <tab> exit status; SUITE.json: vitest's json report
 *
 * 1. A step that failed counts at least one failed, whatever its report says: a suite that broke outside its tests
 *    (an import, an unhandled rejection, a time limit) has no failed test to show.
 * 2. What failed is told here again, with its reason: whoever keeps only the end of a long run's output sees it.
 * 3. Plain JavaScript without dependencies: it must count a failed `npm ci` as well.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const REASON_CHARS = 2_000; // of one failed test: a message may hold a whole state

const folder = process.argv[2];
let passed = 0;
let failed = 0;
const broken = [];

const shown = (reason) => (reason.length > REASON_CHARS ? `${reason.slice(0, REASON_CHARS)}...` : reason);

for (const line of readFileSync(join(folder, 'steps.tsv'), 'utf8').trimEnd().split('\n')) {
  const [name, status] = line.split('\t');
  const report = join(folder, `${name.replace(/^test:/, '')}.json`);
  let failedHere = 0;
  if (name.startsWith('test:') && existsSync(report)) {
    const suite = JSON.parse(readFileSync(report, 'utf8'));
    passed += suite.numPassedTests;
    failedHere = suite.numFailedTests;
    for (const file of suite.testResults) {
      const tests = file.assertionResults.filter((test) => test.status === 'failed');
      for (const { fullName, failureMessages } of tests)
        console.log(`\nfailed: ${file.name}: ${fullName}\n${failureMessages.map(shown).join('\n')}`);
      // a file that failed before its first test
      if (file.status === 'failed' && tests.length === 0) {
        failedHere += 1;
        console.log(`\nfailed: ${file.name}\n${shown(file.message)}`);
      }
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
