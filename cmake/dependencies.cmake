# Everything that is looked for outside this tree. What is asked for and missing stops the configure.

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)

# Debian's dnnl-config.cmake asks for OpenCL headers that libdnnl-dev does not bring.
find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(gpt2::dnnl INTERFACE IMPORTED)
target_include_directories(gpt2::dnnl INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(gpt2::dnnl INTERFACE ${DNNL_LIBRARY})

# Ranks and GPUs: found and said here; the parts that use them are not in this version yet.
find_package(MPI QUIET COMPONENTS CXX)
option(GPT2_WITH_MPI "Ranks over MPI" ${MPI_CXX_FOUND})
if(GPT2_WITH_MPI)
  find_package(MPI REQUIRED COMPONENTS CXX)
endif()
find_package(CUDAToolkit QUIET)
set(cuda_found OFF)
if(CUDAToolkit_FOUND)
  set(cuda_found ON)
endif()
option(GPT2_WITH_CUDA "Kernels for NVIDIA GPUs" ${cuda_found})
if(GPT2_WITH_CUDA)
  find_package(CUDAToolkit REQUIRED)
endif()

foreach(name GPT2_WITH_CUDA GPT2_WITH_MPI GPT2_WERROR GPT2_SANITIZE GPT2_BUILD_TESTS GPT2_BUILD_FUZZERS)
  message(STATUS "${name}: ${${name}}")
endforeach()
