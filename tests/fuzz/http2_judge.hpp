// What an HTTP/2 client may rely on, of all the bytes that a server sends it (RFC 9113): whole frames within
// the agreed size, streams that are the client's, heads before data, nothing behind an end, and no more data
// than windows were opened for. Slow and plain; nothing of the server's is used.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace naru::testing {

class http2_judge {
 public:
    // What the client says is noted here. Anything unheard-of may have been said, too: `lenient` then.
    void began(std::uint32_t id) { newest_ = std::max(newest_, id); }
    void set_window(std::uint32_t size) { widest_ = std::max<std::uint64_t>(widest_, size); }
    void set_frame_size(std::uint32_t size) { frame_size_ = std::max(frame_size_, size); }
    void opened(std::uint32_t id, std::uint32_t by) { (id == 0 ? connection_ : streams_[id].opened) += by; }

    /// Empty, or what is wrong with what has come so far.
    std::string take(std::string_view bytes) {
        unread_ += bytes;
        while (unread_.size() >= 9) {
            const std::size_t size = number(0, 3);
            if (size > frame_size_) return "a frame past the agreed size";
            if (unread_.size() < 9 + size) break;
            const std::string wrong =
                frame(static_cast<unsigned char>(unread_[3]), static_cast<unsigned char>(unread_[4]),
                      static_cast<std::uint32_t>(number(5, 4)) & 0x7fffffffu, size);
            if (!wrong.empty()) return wrong;
            unread_.erase(0, 9 + size);
            ++frames_;
        }
        return {};
    }
    std::size_t frames() const noexcept { return frames_; }
    std::size_t answers() const noexcept { return answers_; }
    bool told_to_go() const noexcept { return told_to_go_; }

 private:
    struct stream {
        bool has_head = false;
        bool ended = false;
        std::uint64_t opened = 0;
        std::uint64_t sent = 0;
    };

    std::size_t number(std::size_t at, std::size_t bytes) const {
        std::size_t value = 0;
        for (std::size_t each = 0; each < bytes; ++each)
            value = value << 8 | static_cast<unsigned char>(unread_[at + each]);
        return value;
    }

    std::string frame(unsigned type, unsigned flags, std::uint32_t id, std::size_t size) {
        constexpr unsigned data = 0, headers = 1, rst_stream = 3, settings = 4, push = 5, ping = 6,
                           goaway = 7, window_update = 8, continuation = 9;
        constexpr unsigned end_stream = 1, end_headers = 4;
        if (frames_ == 0 && (type != settings || (flags & 1u) != 0)) return "the first frame is not SETTINGS";
        if (in_head_ != 0 && (type != continuation || id != in_head_)) return "a frame within a head";
        if (in_head_ == 0 && type == continuation) return "a CONTINUATION of nothing";
        if (type == push) return "a PUSH_PROMISE";
        const bool of_connection = type == settings || type == ping || type == goaway;
        if (of_connection && id != 0) return "a frame of the connection on a stream";
        if (of_connection) {
            told_to_go_ = told_to_go_ || type == goaway;
            return (type == ping && size != 8) || (type == goaway && size < 8) ? "a frame of a wrong size"
                                                                               : "";
        }
        if (type == window_update)
            return size == 4 && (number(9, 4) & 0x7fffffffu) > 0 ? "" : "a WINDOW_UPDATE of nothing";
        if (type != data && type != headers && type != rst_stream && type != continuation) return {};
        if (id % 2 == 0 || id > newest_) return "a frame on a stream that nobody has begun";
        stream& of = streams_[id];
        if (type == rst_stream) {
            of.ended = true;
            return size == 4 ? "" : "a RST_STREAM of a wrong size";
        }
        if (of.ended && type != continuation) return "a frame behind a stream's end";
        if (type == headers) {
            of.has_head = true;
            ++answers_;
        }
        if (type == headers || type == continuation) in_head_ = (flags & end_headers) != 0 ? 0 : id;
        if (type == data) {
            if (!of.has_head) return "data before a head";
            of.sent += size;
            sent_ += size;
            if (of.sent > widest_ + of.opened) return "data past a stream's window";
            if (sent_ > 65'535 + connection_) return "data past the connection's window";
        }
        if (type != continuation && (flags & end_stream) != 0) of.ended = true;
        return {};
    }

    std::string unread_;
    std::map<std::uint32_t, stream> streams_;
    std::uint32_t newest_ = 0;
    std::uint32_t frame_size_ = 16'384;
    std::uint32_t in_head_ = 0;
    std::uint64_t widest_ = 65'535;
    std::uint64_t connection_ = 0;
    std::uint64_t sent_ = 0;
    std::size_t frames_ = 0;
    std::size_t answers_ = 0;
    bool told_to_go_ = false;
};

}  // namespace naru::testing
