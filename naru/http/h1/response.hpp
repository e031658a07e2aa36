// Responses out of a byte stream (RFC 9112): heads, where each body ends, and nothing left unchecked. For
// clients: http::client and the load generator. Strict: what a client would have to guess at is an error,
// because two clients would guess differently.
#pragma once

#include <naru/http/h1/chunked.hpp>
#include <naru/http/limits.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace naru::http {

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

/// One field of a head that has been parsed. Views into its text.
struct response_field {
    std::string_view name;
    std::string_view value;  ///< without the white space around it
};

/// Takes the next field off `fields`, the lines of a whole head behind its first; false at the empty line.
bool next_field(std::string_view& fields, response_field& field) noexcept;

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

/// Reads one response after another, in pieces of any size. Holds memory only while a head has come in part;
/// without that memory the program ends.
///
/// Two ways: `read_head` until it is complete, then `read_body` until that is; or `skip`, for who wants only
/// to know where responses end.
class response_reader {
 public:
    /// need_more: the input is used up. bad: `problem` says why, and only `reset` helps.
    enum class outcome : std::uint8_t { need_more, complete, bad };

    /// Takes a final response's head, and the interim ones in front of it, from `input`. At complete `head`
    /// says what it means, and `text` is the final head, with its empty line.
    outcome read_head(std::string_view& input, bool to_head, response_head& head, std::string& text) noexcept;

    /// Takes the next piece of the body from `input`: `data`, perhaps empty. complete: the response has ended
    /// with this piece; what is left in `input` is not its own.
    outcome read_body(std::string_view& input, std::string_view& data) noexcept;

    /// Takes bytes from the front of `input` until a response is complete, `input` is used up, or it turns
    /// out to be bad.
    outcome skip(std::string_view& input, remembered_head& last, bool to_head) noexcept;

    /// The peer has ended its direction: complete if that is how the body ends.
    outcome end() noexcept;

    /// Of the response whose head has come.
    std::uint16_t status() const noexcept { return status_; }
    bool keep_alive() const noexcept { return keep_alive_; }

    /// Whether part of a response has come.
    bool begun() const noexcept { return stage_ != stage::head || !partial_.empty() || interim_ > 0; }

    const char* problem() const noexcept { return problem_; }

    /// Forgets everything: the next byte is the first of a connection. Gives its memory back.
    void reset() noexcept;

 private:
    enum class stage : std::uint8_t { head, length, chunked, until_close };

    outcome one_head(std::string_view& input, bool to_head, response_head& head,
                     std::string_view& text) noexcept;
    outcome take(const response_head& head) noexcept;
    outcome finished() noexcept;
    outcome is_bad(const char* why) noexcept;

    std::string partial_;  // the beginning of a head
    const char* problem_ = "";
    std::uint64_t remaining_ = 0;  // of a body whose length is known
    chunk_decoder chunks_;
    std::uint16_t status_ = 0;
    stage stage_ = stage::head;
    std::uint8_t interim_ = 0;
    bool keep_alive_ = true;
};

}  // namespace naru::http
