/** A command to be run beside a running attempt's own, in its container: `grid exec`. */
import { z } from 'zod';
import { containerBodySchema } from './container-body.ts';
import { processBodySchema } from './task-spec.ts';

const cells = z.number().int().min(1).max(65_535);

/** In characters. */
export const terminalSizeSchema = z.object({ columns: cells, rows: cells });
export type TerminalSize = z.infer<typeof terminalSizeSchema>;

export const execOrderSchema = z.object({
  /** argv; no shell is involved unless it names one. */
  command: processBodySchema.shape.command,
  /** Beside the environment that the container has. */
  env: processBodySchema.shape.env,
  /** Default: those of the container. */
  workdir: containerBodySchema.shape.workdir,
  user: containerBodySchema.shape.user,
  /** Whether it is sent anything to read; else its input is empty. */
  stdin: z.boolean().default(false),
  /** The terminal it gets; null: none. */
  tty: terminalSizeSchema.nullable().default(null),
});
export type ExecOrder = z.infer<typeof execOrderSchema>;
