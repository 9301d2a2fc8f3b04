/** What is learned of models: what they take of a device, how fast they write, and how long they take to load. */
import { ModelLoads, type SavedModelLoads } from './model-loads.ts';
import { ModelMemory, type SavedModelMemory } from './model-memory.ts';
import { ModelSpeeds, type SavedModelSpeeds } from './model-speeds.ts';
import { PredictionErrors, type SavedErrors } from './prediction-errors.ts';
import type { SavedClass } from './task-classes.ts';

export interface SavedModelLessons {
  readonly memory: SavedModelMemory;
  readonly speeds: SavedModelSpeeds;
  /** Missing in what earlier versions wrote. */
  readonly loads?: SavedModelLoads;
  readonly loadErrors?: SavedErrors;
}

/** What is known of classes of questions, of models' speeds and loads, and of fetches: those of which it is written down by itself. */
export type Taught = readonly [
  classes: readonly SavedClass[],
  speeds: SavedModelSpeeds,
  loads: SavedModelLoads,
  /** Of those loads; this and what follows is missing in what earlier versions wrote. */
  loadErrors?: SavedErrors,
  fetches?: readonly SavedClass[],
];

export class ModelLessons {
  readonly memory = new ModelMemory();
  readonly speeds = new ModelSpeeds();
  readonly loads = new ModelLoads();
  /** How far off what was foretold of them was. */
  readonly loadErrors = new PredictionErrors();

  /** It is another file under this name. */
  forget(model: string): void {
    this.memory.forget(model);
    this.speeds.forget(model);
    this.loads.forget(model);
  }

  save(): SavedModelLessons {
    const { memory, speeds, loads, loadErrors } = this;
    return {
      memory: memory.save(),
      speeds: speeds.save(),
      loads: loads.save(),
      loadErrors: loadErrors.save(),
    };
  }

  load({ memory, speeds, loads = [], loadErrors = [] }: SavedModelLessons): void {
    this.memory.load(memory);
    this.speeds.load(speeds);
    this.loads.load(loads);
    this.loadErrors.load(loadErrors);
  }
}
