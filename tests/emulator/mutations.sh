#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Breaks the kernels of the CUDA twin one by one and asks whether the tests in the emulator see it:
# mutations.sh BUILD [WORD]; with WORD only lines that have it. Each line of the table is: program
# (_bf16, _fp16: in that type), suite of tests, kernel file, file that is changed, what is wrong, and the change for
# perl. Prints what was not caught; 1 if anything was not.
# Needs a Ninja build with the two programs built, and perl.
set -euo pipefail
cd "$(dirname "$0")/../.."

mutations() {
  cat <<'TABLE'
emulated|layernorm|layernorm|layernorm_cuda.cu|the variance is not taken around the mean|s/\(values\[k\] - mean\) \* \(values\[k\] - mean\)/values[k] * values[k]/
emulated|layernorm|layernorm|layernorm_cuda.cu|the gradient's second mean is not scaled|s/normalised \* sums\.at\[2 \* r \+ 1\]/sums.at[2 * r + 1]/
emulated|layernorm|layernorm|layernorm_cuda.cu|dropout counts elements of the batch, not of the sequence|s/row % op\.T \* op\.C \+ c, added/row * op.C + c, added/
emulated|layernorm|layernorm|layernorm_cuda.cu|a row's last warp is not summed|s/other < warps/other + 1 < warps/
races|layernorm|layernorm|layernorm_cuda.cu|no barrier before warps are joined|s/__syncthreads\(\);//
races|layernorm|layernorm|layernorm_cuda.cu|sums of warps are replaced while they are read|s/\(first - begin\) \/ kRowsAtOnce % 2/0/
emulated|layernorm|layernorm|layernorm_cuda.cu|a row that is read again counts again|s/first \+ r < end \? 1 : 0/1/
emulated|attention|attention|attention_cuda.cu|the mask hides the query's own position|s/query - first_key \+ 1/query - first_key/
emulated|attention|attention|attention_cuda.cu|the mask shows the next position|s/query - first_key \+ 1/query - first_key + 2/
races|attention|attention|attention_cuda.cu|keys are replaced while they are used|s/__syncthreads\(\);  \/\/ the keys and values before have been used//
races|attention|attention|attention_cuda.cu|keys are used before all are there|s/(first_key, op\);\n)    __syncthreads\(\);/$1/
races|attention|attention|attention_cuda.cu|probabilities are used before all lanes wrote them|s/__syncwarp\(\);//
emulated|attention|attention|attention_cuda.cu|the sum of a row keeps its old scale|s/row_sum\[r\] \* kept/row_sum[r]/
emulated|attention|attention|attention_cuda.cu|keys are taken for values|s/packed\(first_key, 2\)/packed(first_key, 1)/
emulated_bf16|attention|attention|attention_cuda.cu|delta lacks half of the lanes|s/warp_sum<kLanesOfDelta>/warp_sum<kLanesOfDelta \/ 2>/
emulated|attention|attention|attention_cuda.cu|the softmax's gradient lacks delta|s/\(dprobability - delta\)/dprobability/
emulated|attention|attention|attention_cuda.cu|dropout is forgotten in the backward pass|s/dprobability \*= factor;//
emulated|attention|attention|attention_cuda.cu|a key misses its own query's gradient|s/static_cast<int>\(key - first_query\) : 0/static_cast<int>(key - first_query) + 1 : 0/
races|attention|attention|attention_cuda.cu|queries are replaced while they are used|s/__syncthreads\(\);  \/\/ the queries before have been used//
emulated|attention|attention|attention_cuda.cu|decoding leaves out the newest key|s/% new_positions \+ 1;/% new_positions;/
emulated|attention|attention|attention_cuda.cu|decoding counts keys of other shares again|s/key = share; key < key_count/key = 0; key < key_count/
emulated|attention|attention|attention_cuda.cu|new keys take the first places of the cache|s/t = \*first_position \+ row/t = row/
emulated|embedding|embedding|embedding_cuda.cu|the position on the device is not taken|s/\(first_position \+ t\) \* op\.C/t * op.C/
emulated|attention|attention|attention_cuda.cu|a part keeps the scale of its own largest score|s/const float kept = expf\(part\[op\.D\] - max\);/const float kept = 1;/
emulated|attention|attention|attention_cuda.cu|later slices of a prompt are the first rows again|s/return first_row \+ blockIdx\.x;/return blockIdx.x;/
emulated|attention|attention|attention_cuda.cu|a step leaves its value out of the cache|s/values\[\(key_count - 1\) \* op\.D \+ d\] = [^;]*;//
races|attention|attention|attention_cuda.cu|a query is read before all of it is there|s/(\[2 \* op\.C \+ d\];\n  \}\n)  __syncthreads\(\);/$1/
emulated|classifier|classifier|classifier_cuda.cu|the target has no gradient of its own|s/ - \(i \+ k == target \? scale : 0\.0F\)//
emulated|classifier|classifier|classifier_cuda.cu|the sum keeps its old scale|s/sum \*= exponential\(max - larger\);//
emulated|classifier|classifier|classifier_cuda.cu|logits beyond the vocabulary count|s/if \(i \+ k >= V\) values\[k\] = -INFINITY;//
emulated|classifier|classifier|classifier_cuda.cu|rows beyond the vocabulary get a gradient|s/i \+ k < V \? gradient : 0/gradient/
emulated_bf16|attention|attention|shared_memory_cuda.h|a launch forgets what the kernel declares itself|s/named_bytes != 0/named_bytes > kSharedWithoutAsking/
races|classifier|classifier|classifier_cuda.cu|the target's logit is overwritten before it is read|s/__syncthreads\(\);  \/\/ the target's logit has been read//
races|classifier|classifier|block_sum_cuda.cuh|a block joins warps without a barrier|s/__syncthreads\(\);//
emulated|embedding|embedding|embedding_cuda.cu|sums that should leave the element out have it|s/counts\[i\] = before;/counts[i] = before + here;/
emulated|embedding|embedding|embedding_cuda.cu|every row of a token adds all of them|s/if \(begin > 0 && tokens\[sorted\[begin - 1\]\] == token\) return;//
races|embedding|embedding|embedding_cuda.cu|digits are counted before all are there|s/__syncthreads\(\);//
emulated|matmul|matmul|matmul_cuda.cu|a transpose is forgotten|s/matrix\(op\.weight, op\.M, true\)/matrix(op.weight, op.M)/
emulated|matmul|matmul|matmul_cuda.cu|the GELU's input is not kept|s/store<kWidth>\(values, pre_activation, i\);//
emulated|adamw|adamw|adamw_cuda.cu|the second moment is not corrected|s/v\[k\] \* correction2/v[k]/
emulated|adamw|adamw|adamw_cuda.cu|an update that is to be left out is done|s/if \(update\.outcome->is_done == 0\) return;//
emulated|adamw|adamw|update_outcome.h|a loss that is not a number is not seen|s/std::isfinite\(outcome\.loss\) &&//
emulated|adamw|adamw|update_outcome.h|an update left out is counted|s/if \(outcome\.is_done == 0\) return;//
emulated|few_rows|matmul|matmul_cuda.cu|the last share of a part is lost|s/i < kSharesOfPart;/i < kSharesOfPart - 1;/
emulated|few_rows|matmul|matmul_cuda.cu|a row of the head takes the product of the one before|s/first_row \+ row\) \* C \+ c, values/first_row) * C + c, values/
races|few_rows|matmul|matmul_cuda.cu|shares are joined before all are there|s/__syncthreads\(\);  \/\/ all sums are there//
races|few_rows|matmul|matmul_cuda.cu|parts are joined before all are there|s/__syncthreads\(\);  \/\/ all parts are there//
emulated|adamw|adamw|adamw_cuda.cu|decay is left out|s/piece\.weight_decay \* parameter\[k\] \+ step/step/
emulated|adamw|adamw|adamw_cuda.cu|a block takes the piece of the one before|s/pieces\[blockIdx\.x\]/pieces[blockIdx.x - (blockIdx.x > 0)]/
emulated|adamw|adamw|adamw_cuda.cu|pieces are counted from the first element of all|s/piece\.first \+ offset/offset/
emulated|adamw|adamw|adamw_cuda.cu|a piece ends after one round of the block|s/offset \+= kThreads \* kWidth/offset += kElementsOfPiece/
emulated|adamw|adamw|adamw_cuda.cu|the table of the first parts is kept|s/if \(std::ranges::equal\(parts, parts_\)\) return;/if (!parts_.empty()) return;/
emulated|elementwise|elementwise|elementwise_cuda.cu|a part takes elements of the next one|s/begin \+ kElementsOfBlock < part_end/begin + kElementsOfBlock < count/
emulated|elementwise|elementwise|elementwise_cuda.cu|a part's last block is left out|s/block < blocks_of_part; \+\+block/block + 1 < blocks_of_part; ++block/
emulated|layernorm|elementwise|elementwise_cuda.cu|a share of the rows is left out|s/share = 1; share < blockDim/share = 2; share < blockDim/
emulated|layernorm|elementwise|elementwise_cuda.cu|the second sum has the rows of the first|s/gridDim\.y \+ blockIdx\.y\)/gridDim.y)/
races|layernorm|elementwise|elementwise_cuda.cu|shares of the rows are joined before all are there|s/__syncthreads\(\);//
emulated|dropout|dropout|dropout_cuda.cu|all sequences have the mask of the first|s/i \/ elements_of_sequence/0/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the second product takes the first one's lower half|s/products\[2 \* pair \+ 1\], a, b\[2\], b\[3\]/products[2 * pair + 1], a, b[2], b[1]/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|rows of the second factor in another order|s/lane \/ 16 \* 8 \+ lane % 8, step/lane % 16, step/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|fragments of the first factor in another order|s/row = warp \* 16 \+ lane % 16;\n    column = lane \/ 16 \* 8/row = warp * 16 + lane \/ 16 * 8 + lane % 8;\n    column = lane \/ 8 % 2 * 8/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|rows that are read again are those of the first channels|s/load_matrices\(a, place<kHead>\(tile, row, step \* 16 \+ column\)\)/load_matrices(a, place<kHead>(tile, row, column))/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|rows of wide heads overlap|s/kHead % 64 == 0/kHead > 64/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|a transpose of fragments is forgotten|s/load_matrices_transposed\(/load_matrices(/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|two weights of a pair change places|s/\(left\[0\], left\[1\]\)/(left[1], left[0])/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|weights of the lower rows are those of the next columns|s/\(left\[2\], left\[3\]\)/(right[0], right[1])/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the mask hides the query's own position|s/here > 0 : here < 0/here > 0 : here <= 0/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the mask shows the next position|s/here > 0 : here < 0/here > 0 : here < -1/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|a key has no gradient of its own query|s/here > 0 : here < 0/here >= 0 : here < 0/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|a key has a gradient of the query before|s/here > 0 : here < 0/here > 1 : here < 0/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|copies are used one group too early|s/wait_for_copies<0>/wait_for_copies<1>/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the sum of a row keeps its old scale|s/row_sum\[half\] \*= kept;//
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|what was added up keeps its old scale|s/out\[n\]\[half \* 2 \+ i\] \*= kept/out[n][half * 2 + i] *= 1/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the softmax's gradient lacks delta|s/\(dprobability - delta\)/dprobability/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|dropout is forgotten in the backward pass|s/dprobability \*= factor;//
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the gradient of keys is weighted by dout|s/\(dk, dprobabilities, q,/(dk, dprobabilities, q + kTileElements<kHead>,/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the gradient of keys is not scaled|s/store_rows<kHead>\(dk, op\.scale, op\.scale/store_rows<kHead>(dk, 1, 1/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the lower rows have the mask of the upper ones|s/difference \+ i \/ 2 \* 8/difference/
emulated_bf16|attention|attention_mma|attention_mma_cuda.cu|the lower rows have the dropout of the upper ones|s/row \+ i \/ 2 \* 8/row/
emulated_fp16|attention|attention_mma|attention_mma_cuda.cu|fragments of fp16 are multiplied as bf16|s/multiply_16x8x16<Element>/multiply_16x8x16<__nv_bfloat16>/
emulated|adamw|adamw|update_outcome.h|the scale of the loss stays in the gradients|s/scale \/ terms\.loss_scale/scale/
emulated|adamw|adamw|update_outcome.h|the scale of the loss stays in the norm|s/std::sqrt\(sum\) \/ terms\.loss_scale/std::sqrt(sum)/
emulated_fp16|adamw|adamw|launch_cuda.cuh|numbers of fp16 are rounded to bf16 first|s/return __float2half_rn\(value\)/return __float2half_rn(__bfloat162float(__float2bfloat16_rn(value)))/
races_bf16|attention|attention_mma|attention_mma_cuda.cu|a tile is replaced while it is used|s/__syncthreads\(\);  \/\/ the tile is there, and the one before has been used//
emulated_bf16|adamw|adamw|adamw_cuda.cu|the copy to compute with stays old|s/if \(compute_copy != nullptr\) store<kWidth>\(parameter, compute_copy, i\);//
TABLE
}

# One line of the table; prints it if no test fails, or if the change does not apply.
try() {
  local build=$1 line=$2 program suite kernel file wrong change work object compile link verdict="" precision=fp32
  IFS='|' read -r program suite kernel file wrong change <<<"$line"
  [[ $program != *_?[fp]16 ]] || precision=${program##*_}
  program=${program%_?[fp]16}
  work=$(mktemp -d)
  mkdir -p "$work/libcore/kernels"
  cp "libcore/kernels/${kernel}_cuda.cu" "$work/libcore/kernels/"
  [[ $file == *.cu ]] || cp "libcore/kernels/$file" "$work/libcore/kernels/"
  perl -0pi -e "$change" "$work/libcore/kernels/$file"
  object=tests/emulator/CMakeFiles/gpt2_$([[ $program == races ]] && echo traced || echo emulated)_kernels.dir/${kernel}_cuda_emulated.cpp.o
  compile=$(ninja -C "$build" -t commands "$object" | tail -n 1)
  link=$(ninja -C "$build" -t commands "bin/test_kernels_$program" | tail -n 1)
  compile=${compile//$object/$work/mutant.o}
  link=${link//$object/$work/mutant.o}
  link=${link//-o bin\/test_kernels_$program/-o $work/mutant}
  if cmp -s "libcore/kernels/$file" "$work/libcore/kernels/$file"; then
    verdict="the change does not apply"
  elif ! (cd "$build" && CPATH="" eval "${compile/ -I/ -I$work -I} -w" && eval "$link") >"$work/log" 2>&1; then
    verdict="does not compile: $(head -n 3 "$work/log")"
  elif GPT2_TEST_DEVICE=cuda GPT2_TEST_PRECISION=$precision GPT2_EMULATOR_ORDER=7 timeout 60 "$work/mutant" "--run_test=$suite" >"$work/log" 2>&1; then
    verdict="no test fails"
  fi
  rm -rf "$work"
  [[ -z $verdict ]] || echo "$file: $wrong: $verdict"
}

build=${1:?mutations.sh BUILD}
export -f try
# Another size of block is not wrong: what is called caught below would otherwise mean nothing.
for program in emulated races; do
  control=$(try "$build" "$program|elementwise|elementwise|elementwise_cuda.cu|smaller blocks|s/kThreads = 256/kThreads = 128/")
  if [[ $control != *": no test fails" ]]; then
    echo "a harmless change of a kernel counts as caught: ${control:-a test fails}" >&2
    exit 1
  fi
done
word=${2:-|}
missed=$(mutations | grep -F -- "$word" | tr '\n' '\0' | xargs -0 -P "$(nproc)" -I{} bash -c 'try "$1" "$2"' try "$build" {})
if [[ -n $missed ]]; then
  echo "$missed"
  exit 1
fi
echo "$(mutations | grep -cF -- "$word") mutations of the kernels, all caught"
