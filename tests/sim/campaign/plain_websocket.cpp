#include "sim/campaign/plain_websocket.hpp"

#include <utility>

namespace naru::campaign {

namespace {

std::uint64_t number_in(std::string_view text) {
    std::uint64_t value = 0;
    for (const char each : text)
        value = value << 8 | static_cast<unsigned char>(each);
    return value;
}

}  // namespace

// The key, and below what it must be answered with, are those of the RFC's example (section 1.3).
std::string plain_websocket::handshake(std::string_view target) {
    return "GET " + std::string(target) +
           " HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
}

std::string plain_websocket::frame(unsigned opcode, bool last, std::string_view payload, dice& from) {
    std::string made(1, static_cast<char>((last ? 0x80u : 0u) | opcode));
    const std::size_t size = payload.size();
    if (size < 126) {
        made += static_cast<char>(0x80u | size);
    } else {
        const int bytes = size < 65'536 ? 2 : 8;
        made += static_cast<char>(0x80u | (bytes == 2 ? 126u : 127u));
        for (int each = bytes - 1; each >= 0; --each)
            made += static_cast<char>(static_cast<std::uint64_t>(size) >> (8 * each));
    }
    const std::uint64_t mask = from.roll();
    for (unsigned each = 0; each < 4; ++each)
        made += static_cast<char>(mask >> (8 * each));
    for (std::size_t at = 0; at < size; ++at)
        made += static_cast<char>(static_cast<unsigned char>(payload[at]) ^
                                  static_cast<unsigned char>(mask >> (8 * (at % 4))));
    return made;
}

std::string plain_websocket::close_frame(unsigned code, dice& from) {
    const char payload[] = {static_cast<char>(code >> 8), static_cast<char>(code)};
    return frame(8, true, {payload, 2}, from);
}

void plain_websocket::take(std::string_view bytes) {
    text_ += bytes;
    if (status_ == 0 && !read_head()) return;
    while (status_ == 101 && !malformed_ && read_frame()) {
    }
}

bool plain_websocket::read_head() {
    const std::size_t end = text_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const std::string head = text_.substr(0, end + 2);
    text_.erase(0, end + 4);
    if (!head.starts_with("HTTP/1.1 ") || head.size() < 12) {
        malformed_ = true;
        return false;
    }
    status_ = 0;
    for (const char each : head.substr(9, 3))
        status_ = status_ * 10 + static_cast<unsigned>(each - '0');
    if (status_ == 101 &&
        (head.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") == head.npos ||
         head.find("Sec-WebSocket-Extensions") != head.npos))
        malformed_ = true;
    return true;
}

// False: there is not a whole one.
bool plain_websocket::read_frame() {
    if (text_.size() < 2) return false;
    const auto first = static_cast<unsigned char>(text_[0]);
    std::size_t size = static_cast<unsigned char>(text_[1]);
    std::size_t at = 2;
    if (size >= 126) {
        const std::size_t bytes = size == 126 ? 2 : 8;
        if (size > 127) {
            malformed_ = true;  // masked
            return false;
        }
        if (text_.size() < 2 + bytes) return false;
        size = number_in(std::string_view(text_).substr(2, bytes));
        at += bytes;
        if (size < (bytes == 2 ? 126u : 65'536u)) malformed_ = true;  // not the shortest form
    }
    if (text_.size() < at + size) return false;
    const std::string payload = text_.substr(at, size);
    text_.erase(0, at + size);
    const unsigned opcode = first & 15u;
    const bool last = (first & 0x80u) != 0;
    if ((first & 0x70u) != 0 || close_code_ != 0) malformed_ = true;
    if (opcode >= 8) {
        if (!last || size > 125) malformed_ = true;
        control(opcode, payload);
        return true;
    }
    if ((opcode == 0) != (opcode_ != 0) || opcode > 2) malformed_ = true;
    if (opcode != 0) opcode_ = opcode;
    message_ += payload;
    if (last) {
        messages_.push_back({opcode_ == 1, std::exchange(message_, {})});
        opcode_ = 0;
    }
    return true;
}

void plain_websocket::control(unsigned opcode, std::string_view payload) {
    if (opcode == 8) {
        if (payload.size() == 1) malformed_ = true;
        close_code_ = payload.size() < 2 ? 1005 : static_cast<unsigned>(number_in(payload.substr(0, 2)));
    } else if (opcode == 10) {
        pongs_.emplace_back(payload);
    } else if (opcode != 9) {
        malformed_ = true;
    }
}

std::optional<plain_websocket::message> plain_websocket::next() {
    if (messages_.empty()) return std::nullopt;
    message made = std::move(messages_.front());
    messages_.pop_front();
    return made;
}

}  // namespace naru::campaign
