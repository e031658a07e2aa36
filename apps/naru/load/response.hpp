// Responses out of a byte stream (RFC 9112): where each one ends, and what its status is. Strict: what a
// client would have to guess at is an error, because two clients would guess differently.
#pragma once

#include <load/limits.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace naru::load {

/// How the end of a response's body is found (RFC 9112, section 6.3).
enum class body_framing : std::uint8_t { none, length, chunked, until_close };

struct response_head {
    std::uint16_t status = 0;
    body_framing framing = body_framing::none;
    bool keep_alive = true;    ///< the server will take another request on this connection
    std::uint64_t length = 0;  ///< of the body, if that is how it is framed
    std::size_t size = 0;      ///< bytes of the head, with the empty line
};

enum class head_state : std::uint8_t { need_more, complete, bad };

/// Parses a head from its first byte. `to_head`: the request was a HEAD. On `bad`, `problem` says what is
/// wrong in a few words (static text). Accepted beyond the grammar: a status line without the space before
/// an empty reason, which several servers send. Not accepted: bare LF, folded fields, both Transfer-Encoding
/// and Content-Length, Content-Length fields that disagree, 101 (nobody asked for another protocol).
head_state parse_response_head(std::string_view text, bool to_head, response_head& head,
                               const char*& problem) noexcept;

/// The last head that one thread has parsed. A server's heads are the same bytes for a second or longer (the
/// Date changes), and the same bytes mean the same: comparing is cheaper than parsing. One per thread and
/// kind of request, because the meaning of a head depends on whether it answers a HEAD.
class remembered_head {
 public:
    /// The head that `text` begins with, or nullptr if it is not the remembered one.
    const response_head* find(std::string_view text) const noexcept {
        return head_.size != 0 && text.starts_with(std::string_view(text_.data(), head_.size)) ? &head_
                                                                                               : nullptr;
    }
    void remember(std::string_view text, const response_head& head) noexcept;

 private:
    response_head head_;
    std::array<char, limits::remembered_head_bytes> text_;
};

/// Reads one response after another, in pieces of any size. Holds memory only while a head has come in part,
/// and keeps its capacity for the next time.
class response_reader {
 public:
    enum class outcome : std::uint8_t { need_more, complete, bad };

    /// Takes bytes from the front of `input` until a response is complete, `input` is used up, or it turns
    /// out to be bad (then `problem` says why, and only `reset` helps).
    outcome read(std::string_view& input, remembered_head& last, bool to_head) noexcept;

    /// The peer has ended its direction: complete if that is how the body ends.
    outcome end() noexcept;

    /// Of the response that is complete.
    std::uint16_t status() const noexcept { return status_; }
    bool keep_alive() const noexcept { return keep_alive_; }

    /// Whether part of a response has come.
    bool begun() const noexcept { return stage_ != stage::head || !partial_.empty() || interim_ > 0; }

    const char* problem() const noexcept { return problem_; }

    /// Forgets everything: the next byte is the first of a connection. Gives its memory back.
    void reset() noexcept;

 private:
    enum class stage : std::uint8_t {
        head,
        length,
        until_close,
        chunk_size,
        chunk_extension,
        chunk_size_end,  // LF
        chunk_data,
        chunk_data_cr,
        chunk_data_lf,
        trailer,  // at the start of a line
        trailer_line,
        trailer_line_lf,
        last_lf,
    };

    outcome read_head(std::string_view& input, remembered_head& last, bool to_head) noexcept;
    outcome begin_body(const response_head& head) noexcept;
    outcome read_chunked(std::string_view& input) noexcept;
    outcome read_chunk_byte(char byte) noexcept;
    outcome finished() noexcept;
    outcome is_bad(const char* why) noexcept;

    std::string partial_;  // the beginning of a head
    const char* problem_ = "";
    std::uint64_t remaining_ = 0;  // of the body or the chunk; of what a trailer may still take
    std::uint16_t status_ = 0;
    stage stage_ = stage::head;
    std::uint8_t digits_ = 0;  // of a chunk's size
    std::uint8_t interim_ = 0;
    bool keep_alive_ = true;
};

}  // namespace naru::load
