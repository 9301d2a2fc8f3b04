/**
 * What this machine was measured to be, and when it is measured: once for what it is made of (CPU, memory, devices), while
 * nothing of the grid runs here; then how fast models run on each of its seats, where there is something to measure with.
 *
 * 1. An attempt that starts ends a measurement; it begins anew at another time.
 * 2. What fails `mostFailures` times is left alone until the worker starts anew, and told in words.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Calibration, calibrationSchema, type ModelRate } from '@gryphgen/protocol';
import { aborted, type Clock, isMissing, type Log } from '@gryphgen/runtime';
import { z } from 'zod';
import { KeptFile } from '../kept-file.ts';
import type { Measure } from './measure.ts';
import type { ModelRates, SeatsHere } from './model-rates.ts';

/** Another number where what is measured changes its meaning. */
const format = 1;
const mostFailures = 3;

const recordSchema = z.object({
  format: z.literal(format),
  /** What the machine was made of. */
  machine: z.string(),
  calibration: calibrationSchema,
});
type CalibrationRecord = z.infer<typeof recordSchema>;

export interface CalibratorOptions {
  /** On the disk that is measured; the record is kept there too. */
  readonly folder: string;
  /** What was measured before does not count. */
  readonly anew: boolean;
  readonly measure: Measure;
  readonly clock: Clock;
  readonly log: Log;
}

/** `folder`: the worker's, in `$GRID_HOME`. */
function calibrationPath(folder: string): string {
  return join(folder, 'calibration.json');
}

/** For who does not measure; null when there is none, or none that says anything. Throws what the file system says. */
export function keptCalibration(home: string): Calibration | null {
  const path = calibrationPath(join(home, 'worker'));
  try {
    const parsed = recordSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.data.calibration : null;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return null;
    throw error;
  }
}

export class Calibrator {
  private readonly options: CalibratorOptions;
  private readonly file: KeptFile;
  private record: CalibrationRecord | null = null;
  /** As it was described last. */
  private machine = '';
  private seats: SeatsHere = { devices: [], cores: 1 };
  private rates: Pick<ModelRates, 'next'> | null = null;
  private running: AbortController | null = null;
  private ended: Promise<unknown> = Promise.resolve();
  private failures = 0;
  private trouble = '';

  constructor(options: CalibratorOptions) {
    this.options = options;
    const { folder, log } = options;
    this.file = new KeptFile(calibrationPath(folder), {
      text: () => JSON.stringify(this.record),
      onProblem: (error) => log.warn({ err: error }, 'what this machine was measured to be cannot be kept'),
    });
  }

  async load(): Promise<void> {
    const { log, anew } = this.options;
    if (anew) return;
    try {
      const text = await this.file.read();
      if (text === null) return;
      const parsed = recordSchema.safeParse(JSON.parse(text));
      if (parsed.success) this.record = parsed.data;
      else
        log.info(
          { path: this.file.path },
          'this machine will be measured anew: what was kept is of another version',
        );
    } catch (error) {
      log.warn(
        { err: error },
        'what this machine was measured to be cannot be read: it will be measured anew',
      );
    }
  }

  /** Whom it asks how fast models run here. */
  measureModelsBy(rates: Pick<ModelRates, 'next'>): void {
    this.rates = rates;
  }

  /** `machine`: what it is made of. Undefined while it has not been measured as such. */
  of(machine: string, seats: SeatsHere): Calibration | undefined {
    this.machine = machine;
    this.seats = seats;
    return this.record?.machine === machine ? this.record.calibration : undefined;
  }

  /** What is wrong, in words. */
  get troubles(): readonly string[] {
    return this.trouble === '' ? [] : [this.trouble];
  }

  /**
   * Nothing of the grid runs here: measures one thing that is not known. Resolves with whether it is known now and was not before.
   * Never rejects.
   */
  async measureIfUnknown(): Promise<boolean> {
    const { machine, running, failures } = this;
    if (machine === '' || running !== null || failures >= mostFailures) return false;
    const measuring = this.measureAs(machine);
    this.ended = measuring;
    return measuring;
  }

  private async measureAs(machine: string): Promise<boolean> {
    const { options } = this;
    const abort = new AbortController();
    this.running = abort;
    try {
      const known = this.record?.machine === machine ? this.record.calibration : undefined;
      const found = known
        ? await this.measuredModel(known, abort.signal)
        : await this.measuredMachine(abort.signal);
      if (abort.signal.aborted || found === undefined) return false;
      this.record = { format, machine, calibration: found };
      this.trouble = '';
      this.file.save();
      return true;
    } catch (error) {
      this.failures += 1;
      const why = error instanceof Error ? error.message : String(error);
      this.trouble = `this machine could not be measured (${this.failures} times): ${why}`;
      options.log.warn({ err: error }, 'this machine could not be measured');
      return false;
    } finally {
      this.running = null;
    }
  }

  private async measuredMachine(signal: AbortSignal): Promise<Calibration | undefined> {
    const { measure, folder, clock } = this.options;
    const measured = await measure(folder, signal);
    if (signal.aborted) return undefined;
    if (measured.cpuSingle === undefined) throw new Error('the process that measures it ended early');
    return { at: Math.round(clock.wall()), ...measured };
  }

  /** One seat's. Who is aborted does not wait for a driver that hangs. */
  private async measuredModel(known: Calibration, signal: AbortSignal): Promise<Calibration | undefined> {
    const { models = [] } = known;
    const found: ModelRate | null | undefined = await Promise.race([
      this.rates?.next(models, this.seats, signal),
      aborted(signal).then(() => null),
    ]);
    if (!found) return undefined;
    return { ...known, models: [...models.filter(({ seat }) => seat !== found.seat), found] };
  }

  /** An attempt starts. */
  interrupt(): void {
    this.running?.abort();
  }

  async close(): Promise<void> {
    this.failures = mostFailures;
    this.interrupt();
    await this.ended;
    await this.file.close();
  }
}
