#include "sim/campaign/plain_http2.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace naru::campaign {

namespace {

constexpr unsigned data = 0, headers = 1, rst_stream = 3, settings = 4, ping = 6, goaway = 7,
                   window_update = 8, continuation = 9;
constexpr unsigned end_stream = 1, acknowledged = 1, end_headers = 4, padded = 8, with_priority = 32;

std::string number(std::uint64_t value, int bytes) {
    std::string made;
    for (int each = bytes - 1; each >= 0; --each)
        made += static_cast<char>(value >> (8 * each));
    return made;
}

std::uint32_t number_in(std::string_view text) {
    std::uint32_t value = 0;
    for (const char each : text)
        value = value << 8 | static_cast<unsigned char>(each);
    return value;
}

std::string text(std::string_view value) { return static_cast<char>(value.size()) + std::string(value); }

// Section 5.1: an integer whose first bits share a byte.
std::optional<std::size_t> integer(std::string_view& from, unsigned bits) {
    if (from.empty()) return std::nullopt;
    const std::size_t most = (std::size_t{1} << bits) - 1;
    std::size_t value = static_cast<unsigned char>(from.front()) & most;
    from.remove_prefix(1);
    if (value < most) return value;
    for (unsigned shift = 0; !from.empty() && shift < 28; shift += 7) {
        const auto next = static_cast<unsigned char>(from.front());
        from.remove_prefix(1);
        value += static_cast<std::size_t>(next & 0x7fu) << shift;
        if (next < 0x80) return value;
    }
    return std::nullopt;
}

struct coded {
    bool huffman;
    std::string_view bytes;
};

std::optional<coded> coded_text(std::string_view& from) {
    const bool huffman = !from.empty() && (static_cast<unsigned char>(from.front()) & 0x80u) != 0;
    const auto size = integer(from, 7);
    if (!size || *size > from.size()) return std::nullopt;
    const coded made{huffman, from.substr(0, *size)};
    from.remove_prefix(*size);
    return made;
}

// Three digits. In Huffman's code (RFC 7541, appendix B) 0 to 2 have five bits, the others six: 011001 to
// 011111.
unsigned status_in(const coded& of) {
    std::string digits;
    if (!of.huffman) {
        digits = of.bytes;
    } else {
        std::string bits;
        for (const char each : of.bytes)
            for (int bit = 7; bit >= 0; --bit)
                bits += (static_cast<unsigned char>(each) >> bit & 1u) != 0 ? '1' : '0';
        for (std::size_t at = 0; digits.size() < 3 && at + 5 <= bits.size();) {
            const auto five = std::stoul(bits.substr(at, 5), nullptr, 2);
            at += 5;
            if (five < 3) {
                digits += static_cast<char>('0' + five);
                continue;
            }
            if (at == bits.size()) return 0;
            const auto six = five * 2 + (bits[at++] == '1' ? 1 : 0);
            if (six < 25 || six > 31) return 0;
            digits += static_cast<char>('3' + (six - 25));
        }
    }
    if (digits.size() != 3) return 0;
    unsigned value = 0;
    for (const char each : digits) {
        if (each < '0' || each > '9') return 0;
        value = value * 10 + static_cast<unsigned>(each - '0');
    }
    return value;
}

}  // namespace

unsigned status_of_head(std::string_view block) {
    constexpr unsigned in_table[] = {200, 204, 206, 304, 400, 404, 500};
    while (!block.empty()) {
        const auto first = static_cast<unsigned char>(block.front());
        if ((first & 0x80u) != 0) {  // a field of the table
            const auto which = integer(block, 7);
            if (!which || *which == 0 || *which > 61) return 0;
            return *which >= 8 && *which <= 14 ? in_table[*which - 8] : 0;
        }
        if ((first & 0xe0u) == 0x20u) {  // the table's size
            if (!integer(block, 5)) return 0;
            continue;
        }
        const auto name = integer(block, (first & 0x40u) != 0 ? 6 : 4);
        if (!name) return 0;
        const auto value = coded_text(block);
        return value && *name >= 8 && *name <= 14 ? status_in(*value) : 0;  // it comes first
    }
    return 0;
}

plain_http2::plain_http2(std::uint32_t window) : window_(window) {
    output_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // No table, no push, and the window.
    frame(settings, 0, 0,
          number(1, 2) + number(0, 4) + number(2, 2) + number(0, 4) + number(4, 2) + number(window, 4));
    judge_.set_window(window);
}

void plain_http2::frame(unsigned type, unsigned flags, std::uint32_t stream, std::string_view payload) {
    output_ += number(payload.size(), 3) + number(type, 1) + number(flags, 1) + number(stream, 4);
    output_ += payload;
}

std::uint32_t plain_http2::ask(const question& of, bool secure) {
    const std::uint32_t stream = next_;
    next_ += 2;
    judge_.began(stream);
    // Fields whose names stand in the static table (RFC 7541, appendix A), none of which is to be kept.
    std::string head = of.method == "GET" ? "\x82" : of.method == "POST" ? "\x83" : "\x02" + text(of.method);
    head += secure ? '\x87' : '\x86';
    head += '\x04' + text(of.target);
    head += '\x01' + text("server");
    if (!of.range.empty()) head += "\x0f\x23" + text(of.range);
    const bool has_body = of.method == "POST";
    if (has_body && !of.chunked) head += "\x0f\x0d" + text(std::to_string(of.body.size()));
    const unsigned flags = has_body ? 0 : end_stream;
    if (of.id % 7 == 0) {  // cut in two
        frame(headers, flags, stream, std::string_view(head).substr(0, head.size() / 2));
        frame(continuation, end_headers, stream, std::string_view(head).substr(head.size() / 2));
    } else {
        frame(headers, flags | end_headers, stream, head);
    }
    if (has_body) data_frames(of, stream);
    return stream;
}

void plain_http2::data_frames(const question& of, std::uint32_t stream) {
    room_ -= static_cast<std::int64_t>(of.body.size());
    for (std::size_t at = 0;;) {
        const std::size_t most = of.chunked ? 1 + (of.id * 31 + at) % 3'000 : 16'384;
        const std::string_view piece = std::string_view(of.body).substr(at, most);
        at += piece.size();
        frame(data, at == of.body.size() ? end_stream : 0, stream, piece);
        if (at == of.body.size()) return;
    }
}

void plain_http2::reset(std::uint32_t stream) { frame(rst_stream, 0, stream, number(8, 4)); }

std::uint32_t plain_http2::open_tunnel(std::string_view target, bool secure) {
    const std::uint32_t stream = next_;
    next_ += 2;
    judge_.began(stream);
    rooms_[stream] = initial_room_;
    std::string head = "\x02" + text("CONNECT");
    head += secure ? '\x87' : '\x86';
    head += '\x04' + text(target);
    head += '\x01' + text("server");
    for (const auto& [name, value] : {std::pair(":protocol", "websocket"), {"sec-websocket-version", "13"}})
        head += std::string(1, '\0') + text(name) + text(value);
    frame(headers, end_headers, stream, head);
    return stream;
}

std::size_t plain_http2::send_on(std::uint32_t stream, std::string_view bytes) {
    std::int64_t& room = rooms_[stream];
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const std::int64_t most = std::min<std::int64_t>({room, room_, 16'384});
        if (most <= 0) break;
        const std::string_view piece = bytes.substr(sent, static_cast<std::size_t>(most));
        frame(data, 0, stream, piece);
        sent += piece.size();
        room -= static_cast<std::int64_t>(piece.size());
        room_ -= static_cast<std::int64_t>(piece.size());
    }
    return sent;
}

void plain_http2::end(std::uint32_t stream) {
    frame(data, end_stream, stream, {});
    rooms_.erase(stream);
}

void plain_http2::take(std::string_view bytes) {
    if (wrong_.empty()) wrong_ = judge_.take(bytes);
    unread_ += bytes;
    while (wrong_.empty() && unread_.size() >= 9) {
        const std::size_t size = number_in(std::string_view(unread_).substr(0, 3));
        if (unread_.size() < 9 + size) return;
        const std::string whole = unread_.substr(0, 9 + size);
        unread_.erase(0, 9 + size);
        read(static_cast<unsigned char>(whole[3]), static_cast<unsigned char>(whole[4]),
             number_in(std::string_view(whole).substr(5, 4)) & 0x7fffffffu,
             std::string_view(whole).substr(9));
    }
}

void plain_http2::read(unsigned type, unsigned flags, std::uint32_t stream, std::string_view payload) {
    if (type == data) {
        const std::size_t size = payload.size();
        if ((flags & padded) != 0) {
            const std::size_t pad = static_cast<unsigned char>(payload.front());
            payload = payload.substr(1, payload.size() - 1 - pad);
        }
        answers_[stream].got.body += payload;
        came(stream, size, (flags & end_stream) != 0);
    } else if (type == headers) {
        if ((flags & (padded | with_priority)) != 0) wrong_ = "a head with padding or a priority";
        head_ = payload;
        ends_with_head_ = (flags & end_stream) != 0;
        if ((flags & end_headers) != 0) read_head(stream);
    } else if (type == continuation) {
        head_ += payload;
        if ((flags & end_headers) != 0) read_head(stream);
    } else if (type == rst_stream) {
        answers_[stream].was_reset = true;
    } else if (type == settings && (flags & acknowledged) == 0) {
        read_settings(payload);
    } else if (type == ping && (flags & acknowledged) == 0) {
        frame(ping, acknowledged, 0, payload);
    } else if (type == goaway) {
        told_to_go_ = true;
    } else if (type == window_update) {
        const std::int64_t more = number_in(payload) & 0x7fffffffu;
        if (stream == 0) room_ += more;
        if (const auto at = rooms_.find(stream); at != rooms_.end()) at->second += more;
    }
}

void plain_http2::read_head(std::uint32_t stream) {
    answer& of = answers_[stream];
    if (of.got.status < 200) {  // else they are trailers
        const unsigned status = status_of_head(head_);
        if (status == 0) wrong_ = "a head without a status";
        of.got.status = status;
    }
    if (ends_with_head_) of.ended = true;
}

void plain_http2::read_settings(std::string_view payload) {
    for (; payload.size() >= 6; payload.remove_prefix(6)) {
        const std::uint32_t value = number_in(payload.substr(2, 4));
        const std::uint32_t name = number_in(payload.substr(0, 2));
        if (name == 4) resize(value);
        if (name == 8) takes_tunnels_ = value == 1;
        if (name != 3) continue;
        most_streams_ = value;
        if (value < 16) wrong_ = "too few streams at once";  // which is where buffers are scarce
    }
    knows_the_server_ = true;
    frame(settings, acknowledged, 0, {});
}

// Of streams' windows, also of those that are open.
void plain_http2::resize(std::uint32_t window) {
    if (window < 20'000) wrong_ = "a window too small for a body";
    for (auto& [stream, room] : rooms_)
        room += window - initial_room_;
    initial_room_ = window;
}

// Asks for more when half of what may come has.
void plain_http2::came(std::uint32_t stream, std::size_t bytes, bool ended) {
    const auto open = [this](std::uint32_t of, std::uint32_t& unopened) {
        judge_.opened(of, unopened);
        frame(window_update, 0, of, number(std::exchange(unopened, 0), 4));
    };
    unopened_of_all_ += static_cast<std::uint32_t>(bytes);
    if (unopened_of_all_ > 65'535 / 2) open(0, unopened_of_all_);
    std::uint32_t& unopened = unopened_[stream];
    unopened += static_cast<std::uint32_t>(bytes);
    if (ended) {
        answers_[stream].ended = true;
        unopened_.erase(stream);
    } else if (unopened > window_ / 2) {
        open(stream, unopened);
    }
}

}  // namespace naru::campaign
