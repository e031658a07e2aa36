// Reads HTTP/1.1 answers as one would on paper: slow, obvious, and sharing no code with what it checks.
#pragma once

#include "sim/campaign/questions.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace naru::campaign {

class plain_reader {
 public:
    void take(std::string_view bytes) { text_ += bytes; }
    /// The next answer, when all of it is there. `to_head`: it has no body. Sets `malformed` for good when
    /// what is there is no answer.
    std::optional<reply> next(bool to_head);
    /// The connection has ended: an answer without a length is whole now.
    void end() { ended_ = true; }
    /// Bytes of a chunked answer's body that have come, of the one that `next` was called for last.
    std::size_t body_so_far() const { return so_far_; }
    bool malformed() const { return malformed_; }
    bool closes() const { return closes_; }
    /// What no answer has been made of.
    std::size_t left() const { return text_.size() - at_; }

 private:
    std::optional<reply> fail() {
        malformed_ = true;
        return std::nullopt;
    }
    std::string text_;
    std::size_t at_ = 0;
    std::size_t so_far_ = 0;
    bool ended_ = false;
    bool malformed_ = false;
    bool closes_ = false;
};

}  // namespace naru::campaign
