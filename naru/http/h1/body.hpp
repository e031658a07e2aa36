// Reading a request's body: by length or in chunks, resumable at any byte, without allocation.
#pragma once

#include <naru/http/h1/chunked.hpp>
#include <naru/http/h1/parse.hpp>

#include <cstdint>
#include <string_view>

namespace naru::http {

class body_reader {
 public:
    /// For a request whose head says so; `complete` at once if it has no body.
    void begin(const request_head& head) noexcept;

    /// Takes bytes from the front of `input` (and removes them). `data` is the next piece of the body among
    /// them, perhaps empty. need_more: the input is used up. Refused: see refusal().
    parse_status read(std::string_view& input, std::string_view& data) noexcept;

    const http::refusal& refusal() const noexcept { return refusal_; }
    std::uint64_t bytes_read() const noexcept { return total_; }

    /// Of a carried body: nothing comes behind the input that is read next.
    void end() noexcept { ended_ = true; }
    bool is_complete() const noexcept { return ended_; }

 private:
    enum class phase : std::uint8_t {
        done,
        counted,  // Content-Length: left_ bytes
        chunked,
        carried,  // all that comes, until `end`
    };

    parse_status read_chunked(std::string_view& input, std::string_view& data) noexcept;

    phase phase_ = phase::done;
    bool ended_ = false;
    std::uint64_t left_ = 0;
    std::uint64_t total_ = 0;
    chunk_decoder chunks_;
    http::refusal refusal_;
};

}  // namespace naru::http
