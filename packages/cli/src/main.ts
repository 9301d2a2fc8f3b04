/** The program: what it was given, the command, the exit code. */
import { bugExit } from './exit-codes.ts';
import { run } from './program.ts';
import { openTerminal } from './terminal.ts';

// A reader that has seen enough (`grid ps | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : bugExit);
});

process.exitCode = await run(
  openTerminal(process.stdout, process.stderr, process.env),
  process.argv.slice(2),
);
