// What the two floors share: counting requests without parsing them, and a prebuilt answer to each.
#pragma once

#include "common.hpp"

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace bench {

/// Counts the ends of header blocks ("\r\n\r\n") in a byte stream that comes in pieces. Its state is how
/// many bytes of a terminator the stream so far ends with (0 to 3): one byte for each connection.
class terminator_scanner {
 public:
    std::size_t scan(std::string_view bytes) {
        constexpr std::string_view terminator = "\r\n\r\n";
        std::size_t found = 0;
        // A terminator begun in an earlier piece: byte by byte until it is complete or broken off.
        std::size_t at = 0;
        while (matched_ != 0 && at < bytes.size())
            found += step(bytes[at++]);
        bytes.remove_prefix(at);
        // The usual case: whole terminators inside this piece.
        while (const void* hit = ::memmem(bytes.data(), bytes.size(), terminator.data(), terminator.size())) {
            ++found;
            const auto offset = static_cast<std::size_t>(static_cast<const char*>(hit) - bytes.data());
            bytes.remove_prefix(offset + terminator.size());
        }
        // What is left holds no whole one, but may end with the beginning of one.
        if (bytes.size() > 3) bytes.remove_prefix(bytes.size() - 3);
        for (const char byte : bytes)
            step(byte);
        return found;
    }

 private:
    std::size_t step(char byte) {
        if (byte == (matched_ % 2 == 0 ? '\r' : '\n')) {
            if (++matched_ < 4) return 0;
            matched_ = 0;
            return 1;
        }
        matched_ = byte == '\r' ? 1 : 0;
        return 0;
    }

    std::uint8_t matched_ = 0;
};

/// Many copies of one response after the other, so that a burst of pipelined requests is answered with one
/// send and without copying.
class prebuilt_responses {
 public:
    explicit prebuilt_responses(const char* path) {
        std::ifstream file(path, std::ios::binary);
        if (!file) die("%s: cannot be opened", path);
        const std::string response{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        if (response.empty()) die("%s: is empty", path);
        size_ = response.size();
        for (std::size_t copy = 0; copy < copies; ++copy)
            copies_ += response;
    }

    /// At least one and at most `count` responses. The view stays valid as long as this object.
    std::string_view take(std::size_t& count) const {
        const std::size_t taken = count < copies ? count : copies;
        count -= taken;
        return std::string_view(copies_).substr(0, taken * size_);
    }

 private:
    static constexpr std::size_t copies = 512;
    std::size_t size_ = 0;
    std::string copies_;
};

/// Both floors take the same command line: PORT and RESPONSE_FILE, or PORT and --echo or --echo-shared (which
/// means something to io_uring only).
struct floor_options {
    std::uint16_t port;
    const char* response_file;  ///< nullptr: echo what arrives instead.
    bool share_buffers = false;

    floor_options(int count, char** arguments) {
        if (count != 3) die("usage: %s PORT RESPONSE_FILE | PORT --echo | PORT --echo-shared", arguments[0]);
        const std::string_view what = arguments[2];
        share_buffers = what == "--echo-shared";
        port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
        response_file = share_buffers || what == "--echo" ? nullptr : arguments[2];
    }
};

}  // namespace bench
