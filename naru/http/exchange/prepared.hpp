// An answer that is made once and sent often.
#pragma once

#include <naru/http/coding/encode_options.hpp>
#include <naru/http/message/conditions.hpp>

#include <array>
#include <cstdint>
#include <memory>
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

    /// Makes it in the codings that `how` wants and this build has, too, where that is smaller: each client
    /// gets the one that it likes best, and is told that there are others (Vary). Nothing is encoded when it
    /// is answered, and no site::encode is needed. Not an answer that says it is encoded already,
    /// `no-transform` or a part, nor types and sizes that `how` leaves as they are. For one's own thread,
    /// before it is shared. Throws std::bad_alloc.
    prepared& encode(const encode_options& how = {});

    unsigned status() const noexcept { return status_; }
    std::string_view body() const noexcept { return std::string_view(text_).substr(head_size_); }

 private:
    friend class connection;

    struct encodings {
        std::array<std::unique_ptr<const prepared>, coding_count> by;
        std::array<bool, coding_count> available{};
    };
    std::string_view field_lines() const noexcept;
    /// What a client gets that asks like this.
    const prepared& for_client(const request_head& request, std::string_view head) const noexcept;

    std::string text_;  // HTTP/1.1 on a connection that is kept: head and body
    std::uint32_t head_size_ = 0;
    std::uint32_t date_offset_ = 0;
    unsigned status_;
    std::shared_ptr<const encodings> encoded_;  // none: it goes as it is
};

}  // namespace naru::http
