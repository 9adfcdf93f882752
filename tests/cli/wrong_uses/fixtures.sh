# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What the rows of table.txt work on, made once in the current folder. Good things have plain names, broken ones say how.
samples=$CASE_DIR/../../../formats/samples/refused

# flip FILE OFFSET: changes one bit of one byte.
flip() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# A folder like another, with one change.
like() { cp -r "$1" "$2"; }

# Text and vocabularies.
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
: >empty.txt
echo '{"text": "one"}' >docs.jsonl
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
tr a-z b-za <text.txt | gpt2-tokenize train --vocab-size 300 --out vocab_of_other_text -
gpt2-tokenize train --vocab-size 280 --out vocab_of_280 text.txt
like vocab vocab_without_merges
rm vocab_without_merges/{merges.txt,tokenizer.json}
like vocab vocab_that_disagrees
cp vocab_of_other_text/tokenizer.json vocab_that_disagrees
cp -r "$samples/model__unigram.tokenizer" vocab_of_unigram
mkdir empty_folder unreadable_folder read_only_folder

# Streams and shards.
gpt2-tokenize --vocab vocab text.txt >stream
head -c 1000 stream >stream_cut
cp stream stream_flipped
flip stream_flipped 1000
gpt2-shard --out-dir shards --prefix text --val-tokens 1000 <stream
train=shards/text_train_000001.bin
gpt2-tokenize --vocab vocab_of_other_text text.txt | gpt2-shard --out-dir shards_of_other_vocab --prefix text
gpt2-tokenize --vocab vocab_of_280 text.txt | gpt2-shard --out-dir shards_of_280 --prefix text
echo short | gpt2-tokenize --vocab vocab | gpt2-shard --out-dir short --prefix text
head -c 3000 $train >cut.bin
cp $train flipped.bin
flip flipped.bin 2000
printf '\x93NUMPY\x01\x00 and its numbers' >array.npy
printf 'only bare tokens' >bare.bin
printf 'token' >odd.bin
cp $train unreadable.bin

cp "$samples/size__cut.llmc" llmc_cut.bin
cp "$samples/size__of_500000_layers.llmc" llmc_of_many_layers.bin
cp "$samples/version__1.llmc" llmc_unknown_version.bin

# A run, the model that it trained, and models with one thing wrong.
small='--layers 1 --heads 2 --channels 32 --context 32 --total-batch-tokens 128 --max-steps 2'
gpt2-train -q --train $train --val 'shards/text_val_*.bin' --vocab vocab --out run $small
gpt2-train -q --train shards_of_280/*.bin --out run_of_280 $small
gpt2-export --checkpoint run --out model
gpt2-export --checkpoint run --out export
like export export_with_notes
echo mine >export_with_notes/notes
like run run_of_damage
flip run_of_damage/checkpoints/final/model.safetensors 5000
like run run_of_flipped_manifest
cp "$samples/crc32c__wrong.manifest" run_of_flipped_manifest/checkpoints/final/checkpoint.json
like run run_in_use
mkdir run_without_checkpoints

changed_config() {  # NAME PATTERN REPLACEMENT
  like model "$1"
  sed -i -E "s/$2/$3/" "$1/config.json"
}
changed_config model_of_llama '"model_type": "gpt2"' '"model_type": "llama"'
changed_config model_of_5_heads '"n_head": 2' '"n_head": 5'
changed_config model_of_0_heads '"n_head": 2' '"n_head": 0'
changed_config model_of_minus_1_layers '"n_layer": 1' '"n_layer": -1'
changed_config model_too_large '"n_layer": 1' '"n_layer": 1000000000000'
changed_config model_of_2G_layers '"n_layer": 1' '"n_layer": 2000000000'
changed_config model_of_2_layers '"n_layer": 1' '"n_layer": 2'
changed_config model_of_other_width '"n_embd": 32' '"n_embd": 64'
changed_config model_with_relu '"gelu_new"' '"relu"'
changed_config model_with_layers_as_text '"n_layer": 1' '"n_layer": "one"'
like model model_with_cut_config
truncate -s 100 model_with_cut_config/config.json
like model model_without_config
rm model_without_config/config.json
like model model_without_weights
rm model_without_weights/model.safetensors
like model model_without_vocab
rm model_without_vocab/{vocab.json,merges.txt,tokenizer.json,tokenizer_config.json}
like model model_of_pickles
mv model_of_pickles/model.safetensors model_of_pickles/pytorch_model.bin
like model model_cut
truncate -s -100 model_cut/model.safetensors
like model model_with_overlap
cp "$samples/data_offsets__overlap.safetensors" model_with_overlap/model.safetensors
like model model_with_nan
printf '\0\0\xc0\x7f' | dd of=model_with_nan/model.safetensors bs=1 seek=$(($(stat -c %s model/model.safetensors) - 4)) \
  conv=notrunc status=none

# Configurations.
echo 'seed: 1' >good.yaml
printf 'seed: 1\nbatch-size: 2\nseed: 2\n' >twice.yaml
echo 'learning-rat: 1' >unknown.yaml
echo '- seed' >list.yaml
printf 'seed: 1\n  batch-size: [' >broken.yaml
echo 'seed: many' >type.yaml
printf 'optimizers:\n  seed: 1\n' >nested.yaml
echo 'seed:' >without_value.yaml

chmod 000 unreadable_folder unreadable.bin
chmod 555 read_only_folder
