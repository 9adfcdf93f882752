// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/train/checkpoint_store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <limits>
#include <set>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/safetensors.h"
#include "libcore/train/run_folder.h"
#include "tests/libcore/data/shard_fixture.h"
#include "tests/libcore/model/model_fixture.h"
#include "tests/libcore/text/small_vocabulary.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using data::says;

/// A model with moments that are all different from each other.
struct Trained : data::ShardFixture {
  Trained() : small(model::test::odd_config()), optimizer(small.model, {}), snapshot(small.model) {
    small.roughen();
    float next = 0.5F;
    for (const auto& parameter : small.model.table().parameters()) {
      std::vector<float> mean(static_cast<std::size_t>(parameter.element_count)),
          square(mean.size());
      for (auto& value : mean) value = next += 0.25F;
      for (auto& value : square) value = next += 0.25F;
      optimizer.load_moments(parameter, mean, square);
    }
    optimizer.set_update_count(17);
    manifest.step = 20;
    manifest.sequences_consumed = 160;
    fs::create_directories(folder / "run/checkpoints");
  }
  ~Trained() { formats::set_fault_hook({}); }
  fs::path path(const std::string& name) const { return folder / "run/checkpoints" / name; }
  void save(const std::string& name, std::uint64_t step = 20) {
    manifest.step = step;
    snapshot.take(optimizer);
    save_checkpoint(path(name), manifest, snapshot, nullptr, *alone);
  }
  std::vector<float> moments() const { return moments_of(optimizer); }
  std::vector<float> moments_of(const optim::AdamW& of) const {
    std::vector<float> all;
    for (const auto& parameter : small.model.table().parameters()) {
      std::vector<float> mean(static_cast<std::size_t>(parameter.element_count)),
          square(mean.size());
      of.store_moments(parameter, mean, square);
      all.insert(all.end(), mean.begin(), mean.end());
      all.insert(all.end(), square.begin(), square.end());
    }
    return all;
  }

  std::unique_ptr<comm::Communicator> alone = comm::make_solo_communicator();
  model::test::SmallModel small;
  optim::AdamW optimizer;
  TrainingSnapshot snapshot;
  formats::CheckpointManifest manifest;
};

BOOST_FIXTURE_TEST_SUITE(checkpoint_store, Trained)

BOOST_AUTO_TEST_CASE(weights_moments_and_updates_come_back_to_the_bit) {
  save("step_00000020");
  const auto weights = small.download(small.model.parameters());
  Trained other;
  other.small.model.initialise(99);
  const auto found = model::open_checkpoint(path("step_00000020"));
  optim::AdamW fresh(other.small.model, {});
  restore_checkpoint(found, other.small.model, fresh);
  BOOST_TEST(other.small.download(other.small.model.parameters()) == weights);
  BOOST_TEST(fresh.update_count() == 17);
  BOOST_TEST(moments_of(fresh) == moments());
  BOOST_TEST(found.manifest->sequences_consumed == 160U);
}

BOOST_AUTO_TEST_CASE(moments_are_flat_float_tensors_by_parameter_name) {
  save("final");
  const formats::SafetensorsReader reader(path("final") / "optimizer-00000-of-00001.safetensors");
  for (const auto& parameter : small.model.table().parameters()) {
    for (const auto* moment : {".exp_avg", ".exp_avg_sq"}) {
      const auto* entry = reader.find(parameter.name + moment);
      BOOST_REQUIRE(entry != nullptr);
      BOOST_TEST(entry->dtype == "F32");
      BOOST_TEST(entry->shape == std::vector<std::int64_t>{parameter.element_count},
                 boost::test_tools::per_element());
    }
  }
  BOOST_TEST(reader.entries().size() == 2 * small.model.table().parameters().size());
}

BOOST_AUTO_TEST_CASE(tokenizer_files_are_carried_and_listed) {
  const auto tokenizer = test::make_vocabulary({});
  snapshot.take(optimizer);
  save_checkpoint(path("final"), manifest, snapshot, &tokenizer, *alone);
  const auto found = model::open_checkpoint(path("final"));
  std::set<std::string> listed, there;
  for (const auto& file : found.manifest->files) listed.insert(file.name);
  for (const auto& entry : fs::directory_iterator(path("final")))
    there.insert(entry.path().filename().string());
  BOOST_TEST(there.contains("tokenizer.json"));
  there.erase("checkpoint.json");
  BOOST_TEST(listed == there, boost::test_tools::per_element());
  BOOST_TEST((formats::tokenizer_fingerprint(formats::load_tokenizer_files(path("final"))) ==
              formats::tokenizer_fingerprint(tokenizer)));
}

// Written by two ranks: each moment in two files, cut in the middle.
BOOST_AUTO_TEST_CASE(moments_are_put_together_from_the_files_of_several_ranks) {
  save("final");
  auto found = model::open_checkpoint(path("final"));
  const auto whole_name = std::string("optimizer-00000-of-00001.safetensors");
  const formats::SafetensorsReader whole(path("final") / whole_name);
  std::erase_if(found.manifest->tensors,
                [&](const auto& tensor) { return tensor.file == whole_name; });
  for (const bool second : {true, false}) {
    const std::string name =
        second ? "optimizer-00001-of-00002.safetensors" : "optimizer-00000-of-00002.safetensors";
    std::vector<formats::SafetensorsEntry> entries;
    for (const auto& entry : whole.entries()) {
      const auto half = entry.shape[0] / 2;
      const auto count = second ? entry.shape[0] - half : half;
      entries.push_back({.name = entry.name, .dtype = "F32", .shape = {count}});
      found.manifest->tensors.push_back({name, entry.name,
                                         static_cast<std::uint64_t>(second ? half : 0),
                                         static_cast<std::uint64_t>(count), 0});
    }
    formats::SafetensorsWriter writer(path("final") / name, entries, {});
    for (const auto& entry : whole.entries()) {
      const auto values = whole.read_as_floats(entry);
      const auto half = values.size() / 2;
      writer.write_floats(
          std::span(values).subspan(second ? half : 0, second ? values.size() - half : half));
    }
    writer.commit();
  }
  optim::AdamW fresh(small.model, {});
  restore_checkpoint(found, small.model, fresh);
  BOOST_TEST(moments_of(fresh) == moments());

  found.manifest->tensors.pop_back();
  BOOST_CHECK_EXCEPTION(restore_checkpoint(found, small.model, optimizer), formats::InputError,
                        says({"ln_f.bias.exp_avg_sq", "gap"}));
}

BOOST_AUTO_TEST_CASE(state_that_is_no_count_is_refused) {
  formats::CheckpointManifest hostile;
  for (const double value : {-1.0, 1e300, std::numeric_limits<double>::quiet_NaN()}) {
    hostile.state["updates"] = value;
    BOOST_CHECK_EXCEPTION(state_count(hostile, "updates", "here"), formats::InputError,
                          says({"here", "updates"}));
  }
  BOOST_CHECK_THROW(state_count(hostile, "absent", "here"), formats::InputError);
  hostile.state["updates"] = 19073;
  BOOST_TEST(state_count(hostile, "updates", "here") == 19073U);
}

BOOST_AUTO_TEST_CASE(second_name_shares_the_files_and_has_its_own_manifest) {
  save("step_00000020");
  manifest.validation_loss = 1.5;
  link_checkpoint(path("step_00000020"), path("epoch_0001"), manifest);
  const auto linked = *model::open_checkpoint(path("epoch_0001")).manifest;
  BOOST_TEST(linked.step == 20U);
  BOOST_TEST(linked.validation_loss.value() == 1.5);
  BOOST_TEST(!model::open_checkpoint(path("step_00000020")).manifest->validation_loss.has_value());
  BOOST_TEST(fs::equivalent(path("step_00000020") / "model.safetensors",
                            path("epoch_0001") / "model.safetensors"));
  fs::remove_all(path("step_00000020"));
  optim::AdamW fresh(small.model, {});
  restore_checkpoint(model::open_checkpoint(path("epoch_0001")), small.model, fresh);
  BOOST_TEST(moments_of(fresh) == moments());
  BOOST_TEST(fresh.update_count() == 17);

  manifest.validation_loss = 1.25;
  link_checkpoint(path("epoch_0001"), path("epoch_0001"), manifest);
  BOOST_TEST(model::open_checkpoint(path("epoch_0001")).manifest->validation_loss.value() == 1.25);
  BOOST_TEST(!fs::exists(path(".tmp-epoch_0001")));
}

BOOST_AUTO_TEST_CASE(snapshot_stays_as_it_was_taken) {
  save("before");
  snapshot.take(optimizer);
  small.model.initialise(7);
  const auto& parameter = small.model.table().at("ln_f.bias");
  const std::vector<float> zeros(static_cast<std::size_t>(parameter.element_count));
  optimizer.load_moments(parameter, zeros, zeros);
  optimizer.set_update_count(18);
  save_checkpoint(path("after"), manifest, snapshot, nullptr, *alone);
  for (const std::string name :
       {"model.safetensors", "optimizer-00000-of-00001.safetensors", "checkpoint.json"}) {
    BOOST_TEST((read_bytes("run/checkpoints/before/" + name) ==
                read_bytes("run/checkpoints/after/" + name)),
               name);
  }
}

// The n-th system call of a save fails, for every n, until a save meets no failure.
BOOST_AUTO_TEST_CASE(save_that_fails_at_any_call_leaves_the_checkpoint_before) {
  for (const bool replaces : {false, true}) {
    save("step_00000010", 10);
    save("step_00000020", replaces ? 15 : 20);
    if (!replaces) fs::remove_all(path("step_00000020"));
    const std::uint64_t step_before = replaces ? 15 : 10;
    int failing = 0;
    for (bool failed = true; failed; ++failing) {
      int calls = 0;
      failed = false;
      formats::set_fault_hook([&](std::string_view, const fs::path&) {
        if (calls++ != failing) return 0;
        failed = true;
        return ENOSPC;
      });
      bool threw = false;
      try {
        save("step_00000020", 20);
      } catch (const formats::IoError&) {
        threw = true;
      }
      formats::set_fault_hook({});
      // The folder's fsync after its rename may fail with the new checkpoint in place: good, too.
      std::vector<std::string> notices;
      const auto step = model::newest_checkpoint(folder / "run", notices)->manifest->step;
      BOOST_TEST((step == 20U || (threw && step == step_before)));
      BOOST_TEST(notices.empty());
      BOOST_TEST(threw == failed);
      // What was replaced may be left where the new one was built; the next trainer removes it.
      BOOST_TEST((!fs::exists(path(".tmp-step_00000020")) || (threw && step == 20U)));
      if (failed) {  // as it was, for the next failure
        fs::remove_all(path("step_00000020"));
        if (replaces) save("step_00000020", 15);
      }
    }
    BOOST_TEST(failing > 10);  // several files, each opened, written, synced and renamed
  }
}

// The process is killed at the n-th system call of a save, for every n, until a save lives to its
// end.
BOOST_AUTO_TEST_CASE(save_killed_at_any_call_leaves_a_good_checkpoint) {
  for (const std::uint64_t replaced_step : {std::uint64_t{0}, std::uint64_t{15}}) {
    save("step_00000010", 10);
    int killed = 0;
    for (bool died = true; died; ++killed) {
      fs::remove_all(path("step_00000020"));
      if (replaced_step > 0) save("step_00000020", replaced_step);
      const pid_t child = ::fork();
      if (child == 0) {
        int calls = 0;
        formats::set_fault_hook([&](std::string_view, const fs::path&) {
          if (calls++ == killed) ::_exit(9);
          return 0;
        });
        save("step_00000020", 20);
        ::_exit(0);
      }
      int status = 0;
      BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
      died = WEXITSTATUS(status) == 9;
      BOOST_REQUIRE((died || status == 0));

      std::vector<std::string> notices;
      const auto step = model::newest_checkpoint(folder / "run", notices)->manifest->step;
      BOOST_TEST((step == 20U || (died && step == std::max(std::uint64_t{10}, replaced_step))));
      BOOST_TEST(notices.empty());
      const RunFolder cleaned(folder / "run");
      BOOST_TEST(fs::exists(path("step_00000010")));
      BOOST_TEST(!fs::exists(path(".tmp-step_00000020")));
    }
    BOOST_TEST(killed > 10);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::train
