/** The program: what it was given, the command, the exit code. */
import { failedExit } from './exit-codes.ts';
import { run } from './program.ts';
import { openTerminal } from './terminal.ts';

// A reader that has seen enough (`grid ps | head`) is no error; one that lost what it was given must know.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`grid: the output cannot be written: ${error.message}\n`, () =>
    process.exit(failedExit),
  );
});
// Without stderr there is nobody to tell.
process.stderr.on('error', () => undefined);

process.exitCode = await run(
  openTerminal(process.stdout, process.stderr, process.env),
  process.argv.slice(2),
);
