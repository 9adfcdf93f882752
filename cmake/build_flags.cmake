# gpt2::build_flags: warnings and code generation of every target; linked PRIVATE.

add_library(gpt2_build_flags INTERFACE)
add_library(gpt2::build_flags ALIAS gpt2_build_flags)
target_include_directories(gpt2_build_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(gpt2_build_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  -Wno-missing-field-initializers -fno-math-errno>)
# Constexpr functions are shared by both twins. A kernel that spills registers does not compile with GPT2_WERROR.
target_compile_options(gpt2_build_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr -Xptxas=--warn-on-spills -Xcompiler=-Wall,-Wextra,-Wno-missing-field-initializers>)
if(GPT2_WERROR)
  target_compile_options(gpt2_build_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
  target_compile_options(gpt2_build_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(GPT2_SANITIZE)
  target_compile_options(gpt2_build_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(gpt2_build_flags INTERFACE -fsanitize=address,undefined)
endif()
if(GPT2_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "GPT2_BUILD_FUZZERS needs Clang, which brings libFuzzer: use make fuzz or cmake --preset fuzz")
  endif()
  target_compile_options(gpt2_build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Where what is installed looks for libraries, besides the loader's path. DT_RPATH, unlike DT_RUNPATH, holds for the
# libraries' own libraries, too.
if(GPT2_BUNDLE)
  set(CMAKE_INSTALL_RPATH $ORIGIN/../lib/gpt2-tools)
  if(GPT2_WITH_CUDA)
    list(APPEND CMAKE_INSTALL_RPATH /usr/local/cuda/lib64)
  endif()
  target_link_options(gpt2_build_flags INTERFACE -Wl,--disable-new-dtags)
elseif(GPT2_WITH_CUDA)
  set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
endif()
