// Small files, read whole: /proc's, and those that a command line names. Results, written whole or not at
// all.
#pragma once

#include <naru/core/result.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace naru::load {

/// All bytes of a file. Errors: fopen(3)'s and read(2)'s, EISDIR and ESRCH (of a process that has gone) among
/// them; EFBIG beyond `most` bytes.
result<std::string> read_file(const std::string& path, std::size_t most = SIZE_MAX);

/// Empty if it cannot be read.
inline std::string read_whole(const std::string& path) { return read_file(path).value_or(std::string()); }

/// Puts `text` in the place of the file, in one step: whoever reads it sees what was there before, or all of
/// this. What is no regular file (a pipe, a device) is written to as it is. Errors: fopen(3)'s, write(2)'s
/// and rename(2)'s, EISDIR among them; the file is then what it was.
result<void> write_result_file(const std::string& path, std::string_view text);

/// Whether that could be done now, by what leaves nothing behind. Errors: the same.
result<void> try_result_file(const std::string& path);

/// All of `word` as a decimal number.
template <class T = std::uint64_t>
std::optional<T> to_number(std::string_view word) noexcept {
    T value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
    return value;
}

}  // namespace naru::load
