/** Headers of models that keep a state instead of keys and values, in all of their layers or in most. */
import { i32s, type Metadata, type Tensor, u32 } from './gguf-header.ts';
import {
  attentionTensors,
  base,
  type DenseSizes,
  ends,
  feedForwardTensors,
  layersOf,
  type Model,
  type Sizes,
  tensor,
} from './sparse-shapes.ts';

export interface RecurrentSizes extends Sizes {
  readonly inner: number;
  readonly state: number;
  readonly kernel: number;
  readonly rank: number;
}

/** A state instead of keys and values: Mamba. */
export function recurrent(sizes: RecurrentSizes, context = 1_048_576): Model {
  return {
    metadata: {
      ...base('mamba', sizes, context),
      ...recurrentKeys('mamba', sizes),
      'mamba.feed_forward_length': u32(0),
      'mamba.attention.head_count': u32(0),
    },
    tensors: [...ends(sizes), ...layersOf(sizes, (layer) => recurrentTensors(layer, sizes))],
  };
}

/** One layer of `every` attends, the others keep a state: Jamba, without experts. */
export function hybrid(
  sizes: RecurrentSizes & DenseSizes & { readonly every: number },
  context = 262_144,
): Model {
  const attends = (layer: number): boolean => layer % sizes.every === sizes.every - 1;
  const heads = Array.from({ length: sizes.layers }, (_, layer) => (attends(layer) ? sizes.kvHeads : 0));
  return {
    metadata: {
      ...base('jamba', sizes, context),
      ...recurrentKeys('jamba', sizes),
      'jamba.feed_forward_length': u32(sizes.feedForward),
      'jamba.attention.head_count': u32(sizes.heads),
      'jamba.attention.head_count_kv': i32s(heads),
      'jamba.expert_count': u32(0),
      'jamba.expert_used_count': u32(0),
    },
    tensors: [
      ...ends(sizes),
      ...layersOf(sizes, (layer) => [
        ...(attends(layer)
          ? attentionTensors(layer, sizes)
          : [
              ...recurrentTensors(layer, sizes),
              tensor(`blk.${layer}.ssm_dt_norm`, 'f32', sizes.rank),
              tensor(`blk.${layer}.ssm_b_norm`, 'f32', sizes.state),
              tensor(`blk.${layer}.ssm_c_norm`, 'f32', sizes.state),
            ]),
        ...feedForwardTensors(layer, sizes, sizes.feedForward),
      ]),
    ],
  };
}

function recurrentKeys(architecture: string, { inner, state, kernel, rank }: RecurrentSizes): Metadata {
  return {
    [`${architecture}.ssm.conv_kernel`]: u32(kernel),
    [`${architecture}.ssm.inner_size`]: u32(inner),
    [`${architecture}.ssm.state_size`]: u32(state),
    [`${architecture}.ssm.time_step_rank`]: u32(rank),
  };
}

function recurrentTensors(layer: number, sizes: RecurrentSizes): Tensor[] {
  const { embedding, type, inner, state, kernel, rank } = sizes;
  return [
    tensor(`blk.${layer}.attn_norm`, 'f32', embedding),
    tensor(`blk.${layer}.ssm_in`, type, embedding, inner * 2),
    tensor(`blk.${layer}.ssm_conv1d`, 'f32', kernel, inner),
    { name: `blk.${layer}.ssm_conv1d.bias`, type: 'f32', dims: [inner] },
    tensor(`blk.${layer}.ssm_x`, type, inner, rank + state * 2),
    tensor(`blk.${layer}.ssm_dt`, 'f32', rank, inner),
    { name: `blk.${layer}.ssm_dt.bias`, type: 'f32', dims: [inner] },
    { name: `blk.${layer}.ssm_a`, type: 'f32', dims: [state, inner] },
    { name: `blk.${layer}.ssm_d`, type: 'f32', dims: [inner] },
    tensor(`blk.${layer}.ssm_out`, type, inner, embedding),
  ];
}
