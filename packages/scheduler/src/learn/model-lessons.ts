/** What is learned of models: what they take of a device, and how fast they write. */
import { ModelMemory, type SavedModelMemory } from './model-memory.ts';
import { ModelSpeeds, type SavedModelSpeeds } from './model-speeds.ts';

export interface SavedModelLessons {
  readonly memory: SavedModelMemory;
  readonly speeds: SavedModelSpeeds;
}

export class ModelLessons {
  readonly memory = new ModelMemory();
  readonly speeds = new ModelSpeeds();

  /** It is another file under this name. */
  forget(model: string): void {
    this.memory.forget(model);
    this.speeds.forget(model);
  }

  save(): SavedModelLessons {
    return { memory: this.memory.save(), speeds: this.speeds.save() };
  }

  load({ memory, speeds }: SavedModelLessons): void {
    this.memory.load(memory);
    this.speeds.load(speeds);
  }
}
