// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Preloaded into the ranks of a test: FAILING_CALL="RANK CALL NUMBER ACTION" makes one rank fail at
// its NUMBERth call of a function, by kill, stop, exit (with 0), or error (the function's own).
// The file FAILED appears then.
#include <dlfcn.h>
#include <mpi.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace {

struct Plan {
  std::string rank, call, action;
  int number = 0;
  Plan() {
    const char* text = std::getenv("FAILING_CALL");
    std::istringstream(text != nullptr ? text : "") >> rank >> call >> number >> action;
    const char* own_rank = std::getenv("OMPI_COMM_WORLD_RANK");
    if (own_rank == nullptr || rank != own_rank) call.clear();
  }
};

/// True when this call is to give its error.
bool fails(const char* call) {
  static const Plan plan;
  static std::atomic<int> count = 0;
  if (plan.call != call || ++count != plan.number) return false;
  std::ofstream(std::getenv("FAILED")) << plan.action;
  if (plan.action == "kill") std::raise(SIGKILL);
  if (plan.action == "stop") ::kill(::getpid(), SIGSTOP);
  if (plan.action == "exit") ::_exit(0);
  return plan.action == "error";
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  static const auto original = next<decltype(&MPI_Init_thread)>("MPI_Init_thread");
  if (fails("MPI_Init_thread")) return MPI_ERR_OTHER;
  return original(argc, argv, required, provided);
}

int MPI_Comm_rank(MPI_Comm group, int* rank) {
  static const auto original = next<decltype(&MPI_Comm_rank)>("MPI_Comm_rank");
  if (fails("MPI_Comm_rank")) return MPI_ERR_OTHER;
  return original(group, rank);
}

/// Of gradients, not of a flag or a sign of life.
int MPI_Isend(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm group,
              MPI_Request* request) {
  constexpr int kFewBytes = 1024;
  static const auto original = next<decltype(&MPI_Isend)>("MPI_Isend");
  if (count > kFewBytes && fails("MPI_Isend")) return MPI_ERR_OTHER;
  return original(data, count, type, to, tag, group, request);
}

/// Of oneDNN; here numbers stand for its own types. Forward and backward are made of it.
int dnnl_sgemm(char transpose_a, char transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
               float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
               float beta, float* c, std::int64_t ldc) {
  constexpr int kRuntimeError = 5;
  static const auto original = next<decltype(&dnnl_sgemm)>("dnnl_sgemm");
  if (fails("dnnl_sgemm")) return kRuntimeError;
  return original(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

int fsync(int descriptor) {
  static const auto original = next<decltype(&fsync)>("fsync");
  if (fails("fsync")) {
    errno = EIO;
    return -1;
  }
  return original(descriptor);
}
}
