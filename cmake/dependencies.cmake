# Everything that is looked for outside this tree. What is asked for and missing stops the configure.

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Snappy REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libzstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(liblz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)

# Debian's dnnl-config.cmake asks for OpenCL headers that libdnnl-dev does not bring.
find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(gpt2::dnnl INTERFACE IMPORTED)
target_include_directories(gpt2::dnnl INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(gpt2::dnnl INTERFACE ${DNNL_LIBRARY})

# gpt2-fetch alone needs this, and everything else can be built and used without it.
find_package(CURL 7.85 QUIET)
option(GPT2_WITH_FETCH "gpt2-fetch (needs libcurl)" ${CURL_FOUND})
if(GPT2_WITH_FETCH)
  find_package(CURL 7.85 REQUIRED)
endif()

# Ranks of gpt2-train.
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
  # Machine code for A100 (and, being of one family, sm_86 to sm_89), Hopper and Blackwell; PTX of
  # the last for what comes after.
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90-real;100" CACHE STRING "GPUs that kernels are built for")
  set(CMAKE_CUDA_FLAGS_RELWITHDEBINFO "-O3" CACHE STRING "Flags of nvcc")
  if(NOT CMAKE_CUDA_COMPILER AND EXISTS "${CUDAToolkit_BIN_DIR}/nvcc")
    set(CMAKE_CUDA_COMPILER "${CUDAToolkit_BIN_DIR}/nvcc")
  endif()
  set(CMAKE_CUDA_COMPILER_LAUNCHER "${CMAKE_CXX_COMPILER_LAUNCHER}" CACHE STRING "Runs nvcc")
  enable_language(CUDA)
  # CMake 3.25 does not know how nvcc 13 is told to take C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
endif()

foreach(name GPT2_WITH_FETCH GPT2_WITH_CUDA GPT2_WITH_MPI GPT2_WERROR GPT2_SANITIZE GPT2_BUILD_TESTS GPT2_BUILD_FUZZERS)
  message(STATUS "${name}: ${${name}}")
endforeach()
