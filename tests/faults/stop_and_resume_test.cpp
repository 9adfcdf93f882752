// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-train as a process that is stopped by signals and started again.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "tests/libcore/train/tiny_run.h"

namespace gpt2::train {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A running gpt2-train. What it says goes to `stderr_path`.
class Process {
 public:
  Process(std::vector<std::string> arguments, const std::string& stderr_path) {
    arguments.insert(arguments.begin(), GPT2_TRAIN);
    std::vector<char*> words;
    for (auto& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int descriptor = ::open(stderr_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(descriptor, STDERR_FILENO);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  void send(int signal) const { ::kill(pid_, signal); }
  /// Its exit code, or 128 + the signal that ended it.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

struct Faults : TinyRun {
  std::vector<std::string> begin(const std::string& out, const std::string& steps = "150") const {
    return {"--train",
            at("train_*.bin"),
            "--val",
            at("val.bin"),
            "--vocab",
            at("vocab"),
            "--out",
            at(out),
            "--resume",
            "auto",
            "--layers",
            "2",
            "--heads",
            "2",
            "--channels",
            "32",
            "--context",
            "32",
            "--batch-size",
            "2",
            "--total-batch-tokens",
            "512",
            "--max-steps",
            steps,
            "--val-every",
            "10",
            "--save-every-steps",
            "7",
            "--threads",
            "1"};
  }
  int run_to_the_end(const std::vector<std::string>& arguments) const {
    return Process(arguments, at("stderr")).wait();
  }
  /// Waits until the log has `steps` training steps.
  void wait_for_step(const std::string& out, std::size_t steps) const {
    for (const auto deadline = std::chrono::steady_clock::now() + 60s;
         std::chrono::steady_clock::now() < deadline;) {
      std::ifstream log(at(out) + "/log.txt");
      std::size_t found = 0;
      for (std::string line; std::getline(log, line);)
        found += line.find(" train ") != std::string::npos ? 1U : 0U;
      if (found >= steps) return;
      std::this_thread::sleep_for(2ms);
    }
    BOOST_FAIL("no step " << steps << ": " << read_bytes("stderr"));
  }
  void check_equal_to_whole(const std::string& out) const {
    BOOST_TEST(metrics(out) == metrics("whole"), boost::test_tools::per_element());
    BOOST_TEST((final_files(out) == final_files("whole")));
    BOOST_TEST(read_bytes(out + "/log.txt") == read_bytes("whole/log.txt"));
  }
};

BOOST_FIXTURE_TEST_SUITE(stop_and_resume, Faults)

BOOST_AUTO_TEST_CASE(signals_save_and_exit_75) {
  BOOST_REQUIRE_EQUAL(run_to_the_end(begin("whole")), 0);
  std::size_t step = 11;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    Process process(begin("stopped"), at("stderr"));
    wait_for_step("stopped", step);
    process.send(signal);
    const int code = process.wait();
    BOOST_TEST(code == 75, "exit code " << code << ": " << read_bytes("stderr"));
    BOOST_TEST(read_bytes("stderr").find("finishing this step") != std::string::npos);
    BOOST_TEST(read_bytes("stderr").find("--resume latest") != std::string::npos);
    step += 30;
  }
  BOOST_TEST(run_to_the_end({"--out", at("stopped"), "--resume", "latest"}) == 0,
             read_bytes("stderr"));
  check_equal_to_whole("stopped");
}

BOOST_AUTO_TEST_CASE(second_interrupt_leaves_at_once) {
  auto arguments = begin("run", "2");
  for (auto& word : arguments) {
    if (word == "512") word = "4194304";  // a step of minutes
  }
  Process process(arguments, at("stderr"));
  for (int waited = 0; !fs::exists(run("run") / "log.txt") && waited < 3000; ++waited)
    std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(200ms);
  process.send(SIGINT);
  std::this_thread::sleep_for(200ms);
  process.send(SIGINT);
  BOOST_TEST(process.wait() == 128 + SIGINT, read_bytes("stderr"));
}

BOOST_AUTO_TEST_CASE(second_trainer_is_refused_with_73) {
  Process first(begin("run", "100000"), at("stderr"));
  wait_for_step("run", 1);
  BOOST_TEST(Process(begin("run"), at("second")).wait() == 73);
  BOOST_TEST(read_bytes("second").find("lock") != std::string::npos, read_bytes("second"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::train
