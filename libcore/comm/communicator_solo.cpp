// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The twin of one process alone.
#include "libcore/comm/communicator.h"

namespace gpt2::comm {
namespace {

class SoloCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::vector<std::string> gather(std::string_view bytes) override { return {std::string(bytes)}; }
  void reduce_shares(device::TensorView /*values*/, const Shares& /*shares*/,
                     ElementRange /*range*/, device::DataType /*wire*/) override {}
  void gather_shares(device::TensorView /*values*/, const Shares& /*shares*/) override {}
  std::unique_ptr<Communicator> duplicate() override { return make_solo_communicator(); }
  void say_phase(std::string_view /*phase*/) override {}
  int leave(int code) override { return code; }
};

}  // namespace

std::unique_ptr<Communicator> make_solo_communicator() {
  return std::make_unique<SoloCommunicator>();
}

}  // namespace gpt2::comm
