#include "output.hpp"

#include "terminal.hpp"

#include <naru/core/result.hpp>

#include <array>
#include <atomic>
#include <exception>
#include <string>
#include <system_error>

namespace naru::program {

namespace {

constexpr int status_not_written = 1;

// The first error of each stream.
std::array<std::atomic<int>, 2> failures{};

void write(standard_output to, std::string_view text) noexcept {
    const std::error_code error = write_standard(to, text);
    int none = 0;
    if (error) failures[static_cast<std::size_t>(to)].compare_exchange_strong(none, error.value());
}

// What a file, a path or a library has put into it does not make two lines of one, nor steers a terminal.
std::string as_line(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string line;
    while (!text.empty() && text.back() == '\n')
        text.remove_suffix(1);
    for (const char each : text) {
        const auto byte = static_cast<unsigned char>(each);
        if (byte >= ' ' && byte != 0x7f) {
            line += each;
        } else if (each == '\n') {
            line += "\\n";
        } else {
            line += "\\x";
            line += digits[byte >> 4];
            line += digits[byte & 15];
        }
    }
    return line;
}

}  // namespace

void put(std::string_view text) noexcept { write(standard_output::output, text); }
void put_error(std::string_view text) noexcept { write(standard_output::error, text); }

void say(std::string_view line) noexcept try {
    put_error("naru: " + as_line(line) + '\n');
} catch (const std::exception&) {  // no memory for a copy
    put_error(line);
    put_error("\n");
}

int exit_status(int status) noexcept try {
    const int output = failures[static_cast<std::size_t>(standard_output::output)];
    if (output != 0) say("cannot write standard output: " + errno_category().message(output));
    const bool lost = output != 0 || failures[static_cast<std::size_t>(standard_output::error)] != 0;
    return status == 0 && lost ? status_not_written : status;
} catch (const std::exception&) {
    return status_not_written;
}

}  // namespace naru::program
