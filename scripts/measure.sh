#!/bin/sh
# Every figure of docs/results that is no timing, from trained runs: sh scripts/measure.sh BASELINE_RUN MVLT_RUN
# Then: python scripts/results.py
set -eu
baseline=$1 mvlt=$2 results=docs/results data=fashion_products
evaluate() { protocol=$1 out=$2; shift 2; modiste evaluate "$protocol" --out "$results/$out.json" "$@"; }

evaluate retrieval-1of101 baseline_1of101 --model "$baseline" --data $data --split test
evaluate retrieval-full baseline_full --model "$baseline" --data $data --split test
evaluate retrieval-1of101 mvlt_1of101_vectors --model "$mvlt" --data $data --split test
evaluate retrieval-1of101 mvlt_1of101_rerank --by rerank --model "$mvlt" --data $data --split test
evaluate retrieval-full mvlt_full_vectors --model "$mvlt" --data $data --split test
evaluate retrieval-1of101 mvlt_atelier_vectors --model "$mvlt" --data atelier:1000 --no-control
evaluate retrieval-1of101 mvlt_atelier_rerank --by rerank --model "$mvlt" --data atelier:1000 --no-control
evaluate recognition mvlt_recognition_both --model "$mvlt" --data $data --split test
for inputs in image text; do
  evaluate recognition mvlt_recognition_$inputs --inputs $inputs --no-control --model "$mvlt" --data $data --split test
done
evaluate generation mvlt_generation --model "$mvlt" --data $data --split test
# Every pair judged, 1,000 queries of each direction as in the paper: some minutes.
evaluate retrieval-1of101 mvlt_1of101_itm --by itm --num-queries 1000 --model "$mvlt" --data $data --split test
