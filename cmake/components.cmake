# The library, in components: core, and what is built on it.

# A source's platform is in its name. x_windows.cpp stands in for x.cpp on Windows; iocp/, iocp_*.cpp and windows_*.cpp exist only
# there; uring/, uring_*.cpp, epoll_*.cpp and bare_*.cpp not there.
function(naru_platform_sources list)
  set(sources ${${list}})
  if(WIN32)
    list(FILTER sources EXCLUDE REGEX "/(uring/|uring_|epoll_|bare_)[a-z_]*\\.cpp$")
    foreach(source IN LISTS sources)
      if(source MATCHES "_windows\\.cpp$")
        string(REGEX REPLACE "_windows\\.cpp$" ".cpp" portable ${source})
        list(REMOVE_ITEM sources ${portable})
      endif()
    endforeach()
  else()
    list(FILTER sources EXCLUDE REGEX "/((iocp/|iocp_|windows_)[a-z0-9_]*|[a-z0-9_]*_windows)\\.cpp$")
  endif()
  set(${list} ${sources} PARENT_SCOPE)
endfunction()

# Headers that most files of a target include are parsed once. Clang only: `./run gcc` checks that every file includes
# what it uses. Off for clang-tidy, which runs without a build.
option(NARU_PRECOMPILE "Precompile headers" ON)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(NARU_PRECOMPILE OFF)
endif()
function(naru_precompile_standard name)
  if(NARU_PRECOMPILE)
    target_precompile_headers(${name} PRIVATE <algorithm> <chrono> <fstream> <functional> <map> <memory>
      <optional> <string> <vector> ${ARGN})
  endif()
endfunction()
function(naru_precompile_with_fmt name)
  naru_precompile_standard(${name} <fmt/format.h> ${ARGN})
endfunction()

# For builds that are made whole: what headers and templates take is paid once for a few files. Hence no two files of a
# component define a name of their own alike.
set(NARU_UNITY 0 CACHE STRING "Files of a component that are compiled together; 0: each by itself")
# naru_in_one_go(TARGET FILES): so many of its files together.
function(naru_in_one_go name files)
  if(files GREATER 0)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${files})
    # One file's names by another's; and what is in an unnamed namespace of an included file GCC takes for a header's.
    target_compile_options(${name} PRIVATE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()
# What tests put calls of their own in the place of: nobody is compiled together with these, lest their calls be inlined.
set_source_files_properties(naru/backend/uring/ring.cpp naru/os/bare_calls.cpp naru/os/system_calls.cpp naru/os/wake_descriptor.cpp
  PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

# naru_component(NAME SOURCES ... [USES COMPONENT...] [PUBLIC LIBRARY...] [PRIVATE LIBRARY...]): a library of
# its own, naru_NAME, static, and naru_NAME_shared made of the same objects where NARU_LIBRARIES asks for it. In
# the build tree and installed naru::NAME is the one that a user links.
set(naru_exports ${PROJECT_SOURCE_DIR}/cmake/exports.map)
function(naru_component name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;USES;PUBLIC;PRIVATE")
  naru_platform_sources(arg_SOURCES)
  add_library(naru_${name} STATIC ${arg_SOURCES})
  # The warnings of those who develop naru are no news for those who build it with their own project.
  target_compile_options(naru_${name} PRIVATE -fno-strict-overflow $<$<NOT:$<BOOL:${NARU_WARNINGS}>>:-w>)
  naru_in_one_go(naru_${name} ${NARU_UNITY})
  set(libraries naru_${name})
  if(naru_shared)
    # Calls within a library need not go through its table, whether or not a program could replace what they call.
    set_target_properties(naru_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_compile_options(naru_${name} PRIVATE -fno-semantic-interposition -ftls-model=initial-exec)
    add_library(naru_${name}_shared SHARED $<TARGET_OBJECTS:naru_${name}>)
    set_target_properties(naru_${name}_shared PROPERTIES OUTPUT_NAME naru_${name} VERSION ${PROJECT_VERSION}
      SOVERSION ${naru_soversion} INSTALL_RPATH "$ORIGIN" LINKER_LANGUAGE CXX
      LINK_DEPENDS ${naru_exports})
    target_link_options(naru_${name}_shared PRIVATE -Wl,--version-script=${naru_exports} -Wl,-z,defs)
    list(APPEND libraries naru_${name}_shared)
  endif()
  foreach(library IN LISTS libraries)
    string(REGEX MATCH "_shared$" shared ${library})
    set_target_properties(${library} PROPERTIES EXPORT_NAME ${name})
    target_compile_features(${library} PUBLIC cxx_std_23)
    target_include_directories(${library} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    if(NARU_CHECKED)
      target_compile_definitions(${library} PUBLIC NARU_CHECKS)
    endif()
    if(NOT PROJECT_IS_TOP_LEVEL)  # its headers are a system's for who includes them: no warnings
      set_target_properties(${library} PROPERTIES SYSTEM ON)
    endif()
    foreach(used IN LISTS arg_USES)
      target_link_libraries(${library} PUBLIC naru_${used}${shared})
    endforeach()
    target_link_libraries(${library} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  endforeach()
  if(naru_shared AND NOT naru_static)
    add_library(naru::${name} ALIAS naru_${name}_shared)
  else()
    add_library(naru::${name} ALIAS naru_${name})
  endif()
endfunction()

file(GLOB_RECURSE core_sources CONFIGURE_DEPENDS naru/*.cpp)
set(folder_of_http http)
set(folder_of_tls stream/tls)
set(folder_of_sim sim)
# naru/testing has a file for each component that gives something to tests.
foreach(component http tls sim)
  set(folder "(${folder_of_${component}}/|testing/${component}\\.cpp$)")
  set(${component}_sources ${core_sources})
  list(FILTER ${component}_sources INCLUDE REGEX "/naru/${folder}")
  list(FILTER core_sources EXCLUDE REGEX "/naru/${folder}")
endforeach()

naru_component(core SOURCES ${core_sources} PUBLIC Threads::Threads)
naru_precompile_standard(naru_core <naru/loop/loop.hpp>)
if(WIN32)
  # Windows 10: the oldest whose calls are used (1709, for TCP_KEEPIDLE). mingw's C run-time gets the standard's
  # printf. windows.h without macros named min and max, and without what nobody asked for.
  target_compile_definitions(naru_core PUBLIC
    _WIN32_WINNT=0x0A00 NOMINMAX WIN32_LEAN_AND_MEAN __USE_MINGW_ANSI_STDIO=1)
  target_link_libraries(naru_core PUBLIC ws2_32 mswsock ntdll)
endif()
if("tls" IN_LIST NARU_COMPONENTS)
  naru_component(tls SOURCES ${tls_sources} USES core PRIVATE OpenSSL::SSL OpenSSL::Crypto)
  naru_precompile_standard(naru_tls)
endif()
if("sim" IN_LIST NARU_COMPONENTS)
  naru_component(sim SOURCES ${sim_sources} USES core)
  naru_precompile_standard(naru_sim <naru/loop/loop.hpp>)
endif()
if("http" IN_LIST NARU_COMPONENTS)
  set(naru_http_uses core)
  if("tls" IN_LIST NARU_COMPONENTS)
    list(PREPEND naru_http_uses tls)
  endif()
  if(WIN32)
    message(STATUS "HTTP/2 is left out: there is no nghttp2 for the Windows build")  # naru/http/h2/absent_windows.cpp
    list(FILTER http_sources EXCLUDE REGEX "/http/h2/(callbacks|link|memory|output|session|stream|tunnel)\\.cpp$")
    list(FILTER http_sources EXCLUDE REGEX "/http/client/http2_stream\\.cpp$")
  endif()
  naru_component(http SOURCES ${http_sources} cmake/fmt.cpp USES ${naru_http_uses}
    PRIVATE $<BUILD_INTERFACE:naru_fmt> $<TARGET_NAME_IF_EXISTS:ZLIB::ZLIB> ${naru_http_libraries})
  target_compile_definitions(naru_http PRIVATE ${naru_http_definitions})
  naru_precompile_with_fmt(naru_http <naru/http/link/connection.hpp>)
endif()
