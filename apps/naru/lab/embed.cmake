# Files that become part of the binary. Included by the project, this defines naru_embed; run as a script
# (cmake -P), it writes the C++ file that holds the bytes. An array of numbers is what every compiler takes,
# whatever the length.
if(CMAKE_SCRIPT_MODE_FILE)
  string(REPLACE "|" ";" NARU_EMBED_FILES "${NARU_EMBED_FILES}")
  set(lookup "")
  set(content "// Written by embed.cmake.\n#include <lab/assets.hpp>\n\nnamespace naru::lab {\n\nnamespace {\n\n")
  set(number 0)
  foreach(entry IN LISTS NARU_EMBED_FILES)
    file(READ "${NARU_EMBED_ROOT}/${entry}" bytes HEX)
    file(SHA256 "${NARU_EMBED_ROOT}/${entry}" sum)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    # One line would be too long for some tools.
    string(REGEX REPLACE "(....................................................................................................)" "\\1\n" bytes "${bytes}")
    get_filename_component(name "${entry}" NAME)
    string(APPEND content "const unsigned char bytes_${number}[] = {\n${bytes}0};\n")
    string(APPEND lookup "    if (name == \"${name}\")\n        return {.text = {reinterpret_cast<const char*>(bytes_${number}), sizeof bytes_${number} - 1}, .sha256_hex = \"${sum}\"};\n")
    math(EXPR number "${number} + 1")
  endforeach()
  string(APPEND content "\n}  // namespace\n\nasset find_asset(std::string_view name) {\n${lookup}    return {};\n}\n\n}  // namespace naru::lab\n")
  file(WRITE "${NARU_EMBED_OUTPUT}" "${content}")
  return()
endif()

set(naru_embed_script ${CMAKE_CURRENT_LIST_FILE})

# naru_embed(TARGET ROOT FILES...): naru::lab::find_asset knows the files by their names, without directories.
function(naru_embed target root)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/generated/lab_assets.cpp)
  list(TRANSFORM ARGN PREPEND ${root}/ OUTPUT_VARIABLE inputs)
  list(JOIN ARGN "|" files)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} "-DNARU_EMBED_ROOT=${root}" "-DNARU_EMBED_FILES=${files}" "-DNARU_EMBED_OUTPUT=${output}"
            -P ${naru_embed_script}
    DEPENDS ${inputs} ${naru_embed_script}
    COMMENT "Embedding the report's assets"
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
