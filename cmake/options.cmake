# What is built, and with which flags. Built as a part of another project (add_subdirectory, FetchContent) naru is its
# library and nothing else, and only what that library needs is looked for.
option(NARU_BUILD_PROGRAM "Build the program naru" ${PROJECT_IS_TOP_LEVEL})
option(NARU_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(NARU_BUILD_TESTS "Build the test suites" ${PROJECT_IS_TOP_LEVEL})
option(NARU_BUILD_BENCH "Build the benchmarks and the peers they compare with" OFF)
option(NARU_INSTALL "Make what cmake --install installs" ${PROJECT_IS_TOP_LEVEL})
option(NARU_WARNINGS "Warn of everything, as errors" ${PROJECT_IS_TOP_LEVEL})
set(NARU_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them: address,undefined or thread")
set(NARU_COMPONENTS core tls http sim CACHE STRING "Components of the library, each with what it needs: core is always there")

if(NARU_BUILD_PROGRAM OR NARU_BUILD_EXAMPLES OR NARU_BUILD_TESTS)
  set(NARU_COMPONENTS core tls http sim)
endif()
if("http" IN_LIST NARU_COMPONENTS)
  list(APPEND NARU_COMPONENTS tls)
endif()
list(PREPEND NARU_COMPONENTS core)
list(REMOVE_DUPLICATES NARU_COMPONENTS)
if(WIN32)
  message(STATUS "TLS is left out: there is no OpenSSL for the Windows build")
  list(REMOVE_ITEM NARU_COMPONENTS tls)
endif()

# Which libraries: BUILD_SHARED_LIBS decides where it is set, as everywhere; else both, of the same objects, where
# naru is built for itself.
set(naru_default_libraries static)
if(BUILD_SHARED_LIBS)
  set(naru_default_libraries shared)
elseif(NOT DEFINED BUILD_SHARED_LIBS AND PROJECT_IS_TOP_LEVEL AND NOT WIN32 AND NOT NARU_SANITIZE)
  set(naru_default_libraries both)
endif()
set(NARU_LIBRARIES ${naru_default_libraries} CACHE STRING "static, shared or both")
if(NOT NARU_LIBRARIES MATCHES "^(static|shared|both)$")
  message(FATAL_ERROR "NARU_LIBRARIES is ${NARU_LIBRARIES}: want static, shared or both")
endif()
if(WIN32 AND NOT NARU_LIBRARIES STREQUAL "static")
  message(FATAL_ERROR "NARU_LIBRARIES is ${NARU_LIBRARIES}: on Windows there is only the static library")
endif()
string(REGEX MATCH "static|both" naru_static ${NARU_LIBRARIES})
string(REGEX MATCH "shared|both" naru_shared ${NARU_LIBRARIES})
# Before 1.0 each minor version may break what is built with the one before.
set(naru_soversion ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()

if(NOT "cxx_std_23" IN_LIST CMAKE_CXX_COMPILE_FEATURES OR
    (CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12.2) OR
    (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19))
  message(FATAL_ERROR "naru needs C++23: GCC 12.2 or newer, or clang 19 or newer. "
    "This compiler is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (CMAKE_CXX_COMPILER chooses another).")
endif()

# All of this is of this folder and those below it: a project around naru keeps its own.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

if(NARU_WARNINGS)
  add_compile_options(-Wall -Wextra -Werror -Wpedantic -Wshadow -Wnon-virtual-dtor -fno-strict-overflow)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 reports members of coroutine frames as maybe uninitialised, and designated initialisers that leave
    # members to their defaults as missing.
    add_compile_options(-Wno-maybe-uninitialized -Wno-missing-field-initializers)
  else()
    add_compile_options(-Wno-missing-designated-field-initializers -Wno-c99-extensions)
  endif()
endif()
if(NARU_SANITIZE)
  add_compile_options(-fsanitize=${NARU_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NARU_SANITIZE})
  if(NARU_SANITIZE MATCHES "undefined")
    # Whether an object's type can be read is found out through a pipe: in a test that has taken all descriptors
    # none can be had, and every object passes for a wrong one.
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()
# Assertions in headers are the same in naru and in what includes them.
set(NARU_CHECKED OFF)
if(NARU_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(NARU_CHECKED ON)
endif()
