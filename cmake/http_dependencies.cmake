# What the component http is made of beside the system's calls. None of it is there on Windows: see
# cmake/windows_dependencies.cmake, and the sources that end in _windows.cpp.
set(naru_http_libraries "")  # as the linker and pkg-config name them
set(naru_http_modules zlib)
set(naru_http_packages zlib1g-dev)  # Debian's, for who links the static library
set(naru_http_definitions "")

find_package(ZLIB REQUIRED)
list(APPEND naru_built_with "zlib ${ZLIB_VERSION_STRING}")

find_path(XXHASH_INCLUDE xxhash.h)
if(NOT XXHASH_INCLUDE)
  message(FATAL_ERROR "xxhash.h is missing, of which the files' ETags are made: apt-get install libxxhash-dev")
endif()

# naru_http_library(LIBRARY HEADER MODULE PACKAGE FOUND): FOUND says whether both are there.
function(naru_http_library library header module package found)
  find_path(${found}_INCLUDE ${header})
  find_library(${found}_LIBRARY ${library})
  if(${found}_INCLUDE AND ${found}_LIBRARY)
    set(${found} TRUE PARENT_SCOPE)
    set(naru_http_libraries ${naru_http_libraries} ${library} PARENT_SCOPE)
    set(naru_http_modules ${naru_http_modules} ${module} PARENT_SCOPE)
    set(naru_http_packages ${naru_http_packages} ${package} PARENT_SCOPE)
    set(naru_built_with ${naru_built_with} ${module} PARENT_SCOPE)
  else()
    set(${found} FALSE PARENT_SCOPE)
  endif()
endfunction()

naru_http_library(nghttp2 nghttp2/nghttp2.h libnghttp2 libnghttp2-dev naru_has_nghttp2)
if(NOT naru_has_nghttp2)
  message(FATAL_ERROR "nghttp2 is missing, which HTTP/2 (naru/http/h2) is made of: apt-get install libnghttp2-dev")
endif()
naru_http_library(crypt crypt.h libcrypt libcrypt-dev naru_has_crypt)
if(NOT naru_has_crypt)
  message(FATAL_ERROR "crypt(3) is missing, by which passwords are checked: apt-get install libcrypt-dev")
endif()
# Content codings on the fly beside gzip, where their libraries are (naru/http/coding).
naru_http_library(brotlienc brotli/encode.h libbrotlienc libbrotli-dev naru_has_brotli)
if(naru_has_brotli)
  list(APPEND naru_http_definitions NARU_HAS_BROTLI)
else()
  message(STATUS "Answers are not encoded as br: there is no libbrotli-dev")
endif()
naru_http_library(zstd zstd.h libzstd libzstd-dev naru_has_zstd)
if(naru_has_zstd)
  list(APPEND naru_http_definitions NARU_HAS_ZSTD)
else()
  message(STATUS "Answers are not encoded as zstd: there is no libzstd-dev")
endif()
