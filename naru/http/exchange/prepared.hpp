// An answer that is made once and sent often.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace naru::http {

/// The whole of an answer: its status, fields and content. Immutable; may be shared by threads, and must
/// outlive the requests that it answers. Throws std::invalid_argument for a field that cannot be sent.
class prepared {
 public:
    /// `fields`: complete lines ("Name: value\r\n") beside those of date, type and length.
    prepared(unsigned status, std::string_view content_type, std::string_view body,
             std::string_view fields = {});

    unsigned status() const noexcept { return status_; }
    std::string_view body() const noexcept { return std::string_view(text_).substr(head_size_); }

 private:
    friend class connection;

    std::string text_;  // HTTP/1.1 on a connection that is kept: head and body
    std::uint32_t head_size_ = 0;
    std::uint32_t date_offset_ = 0;
    unsigned status_;
};

}  // namespace naru::http
