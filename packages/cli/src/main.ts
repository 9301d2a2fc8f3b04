process.stderr.write('grid: nothing is built in yet\n');
process.exitCode = 1;
