// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// NCCL among emulated GPUs, by messages of MPI between the processes that have them. What NCCL
// leaves undefined, that is host memory, other counts or ids at the other end, is an error here.
#include <mpi.h>
#include <nccl.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "formats/errors.h"
#include "libcore/comm/communicator_mpi.h"
#include "tests/emulator/emulator.h"

struct ncclComm {
  MPI_Comm messages = MPI_COMM_NULL;
  int rank = 0, ranks = 0;
};

namespace {

namespace comm = gpt2::comm;
using namespace std::chrono_literals;

/// Memory that goes to, or comes from, a peer.
struct Message {
  ncclComm_t group;
  void* memory;
  std::size_t bytes;
  int peer, tag;
  bool sends;
};
constexpr int kPointToPoint = 1, kBroadcast = 2, kId = 3;

int group_depth = 0;
std::vector<Message> queued;  // by the open group
std::mutex error_mutex;
ncclResult_t async_error = ncclSuccess;  // guarded by error_mutex

/// GPT2_EMULATOR_NCCL_FAILS=N: the exchange number N of this process never ends, as where a link
/// fails.
void fail_when_asked() {
  static const char* const asked = std::getenv("GPT2_EMULATOR_NCCL_FAILS");
  static int exchanges = 0;
  if (asked == nullptr || ++exchanges != std::atoi(asked)) return;
  {
    const std::scoped_lock lock(error_mutex);
    async_error = ncclRemoteError;
  }
  for (;;) std::this_thread::sleep_for(1s);
}

std::size_t bytes_of(std::size_t count, ncclDataType_t type) {
  return count * (type == ncclFloat32 ? 4 : 2);
}
bool is_on_device(const void* memory, std::size_t bytes) {
  return gpt2::emulator::is_device_memory(memory) &&
         gpt2::emulator::is_device_memory(static_cast<const char*>(memory) + bytes - 1);
}

void wait_for(MPI_Request& request) {
  while (!comm::is_done(request)) std::this_thread::yield();
}

ncclResult_t exchange(std::vector<Message> messages) {
  fail_when_asked();
  std::vector<MPI_Request> requests(messages.size(), MPI_REQUEST_NULL);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [group, memory, bytes, peer, tag, sends] = messages[i];
    const comm::MpiTurn turn;
    const auto count = static_cast<int>(bytes);
    if (sends) {
      turn.check(MPI_Isend(memory, count, MPI_BYTE, peer, tag, group->messages, &requests[i]),
                 "MPI_Isend");
    } else {
      turn.check(MPI_Irecv(memory, count, MPI_BYTE, peer, tag, group->messages, &requests[i]),
                 "MPI_Irecv");
    }
  }
  auto result = ncclSuccess;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    for (bool done = false; !done; std::this_thread::yield()) {
      const comm::MpiTurn turn;
      MPI_Status status;
      int is_done = 0, count = 0;
      turn.check(MPI_Test(&requests[i], &is_done, &status), "MPI_Test");
      done = is_done != 0;
      if (!done || messages[i].sends) continue;
      MPI_Get_count(&status, MPI_BYTE, &count);
      if (static_cast<std::size_t>(count) != messages[i].bytes) result = ncclInvalidUsage;
    }
  }
  return result;
}

ncclResult_t queue(std::vector<Message> messages) {
  for (const auto& message : messages) {
    if (message.bytes == 0 || message.bytes > INT32_MAX ||
        !is_on_device(message.memory, message.bytes) || message.peer == message.group->rank ||
        message.peer < 0 || message.peer >= message.group->ranks) {
      return ncclInvalidArgument;
    }
  }
  queued.insert(queued.end(), messages.begin(), messages.end());
  if (group_depth > 0) return ncclSuccess;
  ncclGroupStart();
  return ncclGroupEnd();
}

}  // namespace

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    default:
      return "internal error";
  }
}
const char* ncclGetLastError(ncclComm_t) { return ""; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::random_device random;
  for (char& byte : id->internal) byte = static_cast<char>(random());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* group, int ranks, ncclUniqueId id, int rank) try {
  auto made = std::make_unique<ncclComm>();
  MPI_Request request = MPI_REQUEST_NULL;
  {
    const comm::MpiTurn turn;
    MPI_Comm_rank(MPI_COMM_WORLD, &made->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &made->ranks);
    turn.check(MPI_Comm_idup(MPI_COMM_WORLD, &made->messages, &request), "MPI_Comm_idup");
  }
  wait_for(request);
  if (made->rank != rank || made->ranks != ranks) return ncclInvalidArgument;
  // All have the id of one.
  ncclUniqueId of_next{};
  MPI_Request sending = MPI_REQUEST_NULL, receiving = MPI_REQUEST_NULL;
  {
    const comm::MpiTurn turn;
    turn.check(MPI_Irecv(&of_next, sizeof of_next, MPI_BYTE, (rank + 1) % ranks, kId,
                         made->messages, &receiving),
               "MPI_Irecv");
    turn.check(MPI_Isend(&id, sizeof id, MPI_BYTE, (rank + ranks - 1) % ranks, kId, made->messages,
                         &sending),
               "MPI_Isend");
  }
  wait_for(receiving);
  wait_for(sending);
  if (std::memcmp(&id, &of_next, sizeof id) != 0) return ncclInvalidArgument;
  *group = made.release();
  return ncclSuccess;
} catch (const gpt2::formats::UnavailableError&) {
  return ncclRemoteError;
}

ncclResult_t ncclCommDestroy(ncclComm_t group) try {
  if (group == nullptr) return ncclInvalidArgument;
  {
    const comm::MpiTurn turn;
    turn.check(MPI_Comm_free(&group->messages), "MPI_Comm_free");
  }
  delete group;
  return ncclSuccess;
} catch (const gpt2::formats::UnavailableError&) {
  return ncclRemoteError;
}
ncclResult_t ncclCommAbort(ncclComm_t group) {
  delete group;
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  const std::scoped_lock lock(error_mutex);
  *error = async_error;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() try {
  if (group_depth == 0) return ncclInvalidUsage;
  if (--group_depth > 0) return ncclSuccess;
  return exchange(std::exchange(queued, {}));
} catch (const gpt2::formats::UnavailableError&) {
  return ncclRemoteError;
}

ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer,
                      ncclComm_t group, cudaStream_t) {
  return queue({{.group = group,
                 .memory = const_cast<void*>(from),
                 .bytes = bytes_of(count, type),
                 .peer = peer,
                 .tag = kPointToPoint,
                 .sends = true}});
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t group,
                      cudaStream_t) {
  return queue({{.group = group,
                 .memory = to,
                 .bytes = bytes_of(count, type),
                 .peer = peer,
                 .tag = kPointToPoint,
                 .sends = false}});
}
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type,
                           int root, ncclComm_t group, cudaStream_t) {
  const auto bytes = bytes_of(count, type);
  if (from != to || !is_on_device(to, bytes)) return ncclInvalidArgument;  // in place alone
  std::vector<Message> messages;
  if (group->rank == root) {
    for (int peer = 0; peer < group->ranks; ++peer) {
      if (peer == root) continue;
      messages.push_back({group, to, bytes, peer, kBroadcast, true});
    }
  } else {
    messages.push_back({group, to, bytes, root, kBroadcast, false});
  }
  return queue(std::move(messages));
}
