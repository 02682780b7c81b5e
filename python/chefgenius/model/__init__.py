"""From a batch to its loss.

1. `pretrained` and `model` open or make a model, `tokenizer` and `vocabulary` fit it to the ids, `lora`
   puts an adapter in place of the whole; `proofs` are what is tried of it first.
2. `shapes`, `inputs` and `packing` make a model's arguments of a batch; `head` and `projection` bring the
   rows that count through the last layer, and `loss` is what comes out. `compiling` makes programs of the
   blocks.
3. `generators` are random numbers without memory; `compute` is device, threads and determinism.
"""
