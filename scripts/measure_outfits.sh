#!/bin/sh
# Figures of docs/results/outfits.md: sh scripts/measure_outfits.sh LABEL RUN_SEED_0 RUN_SEED_1 RUN_SEED_2
# The questions of the k-th run are drawn with seed k. Then: python scripts/results.py
set -eu
label=$1 seed=0
shift
for run in "$@"; do
  modiste evaluate outfits --data mango_outfits --split test --per-look 0 --seed $seed --model "$run" \
    --out "docs/results/outfits_mango_${label}_$seed.json"
  seed=$((seed + 1))
done
