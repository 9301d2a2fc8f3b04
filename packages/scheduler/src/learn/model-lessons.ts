/** What is learned of models: what they take of a device, how fast they write, and how long they take to load. */
import { ModelLoads, type SavedModelLoads } from './model-loads.ts';
import { ModelMemory, type SavedModelMemory } from './model-memory.ts';
import { ModelSpeeds, type SavedModelSpeeds } from './model-speeds.ts';
import type { SavedClass } from './task-classes.ts';

export interface SavedModelLessons {
  readonly memory: SavedModelMemory;
  readonly speeds: SavedModelSpeeds;
  /** Missing in what earlier versions wrote. */
  readonly loads?: SavedModelLoads;
}

/** What is known of classes of questions, and of models' speeds and loads: those of which it is written down by itself. */
export type Taught = readonly [
  classes: readonly SavedClass[],
  speeds: SavedModelSpeeds,
  loads: SavedModelLoads,
];

export class ModelLessons {
  readonly memory = new ModelMemory();
  readonly speeds = new ModelSpeeds();
  readonly loads = new ModelLoads();

  /** It is another file under this name. */
  forget(model: string): void {
    this.memory.forget(model);
    this.speeds.forget(model);
    this.loads.forget(model);
  }

  save(): SavedModelLessons {
    return { memory: this.memory.save(), speeds: this.speeds.save(), loads: this.loads.save() };
  }

  load({ memory, speeds, loads = [] }: SavedModelLessons): void {
    this.memory.load(memory);
    this.speeds.load(speeds);
    this.loads.load(loads);
  }
}
