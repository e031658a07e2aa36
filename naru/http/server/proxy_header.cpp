#include <naru/http/server/proxy_header.hpp>

#include <naru/http/limits.hpp>
#include <naru/os/os_sockets.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace naru::http {

namespace {

constexpr std::string_view signature_2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t fixed_2 = 16;
constexpr std::string_view begin_1 = "PROXY ";
constexpr std::string_view unknown_1 = "PROXY UNKNOWN";
constexpr std::string_view shortest_1 = "PROXY UNKNOWN\r\n";

// Its rest at least, once its family is known: "ADDRESS ADDRESS PORT PORT\r\n".
std::size_t least_left_1(std::string_view behind_family, bool six) noexcept {
    const std::size_t address_bytes = six ? 2 : 7;  // "::", "1.1.1.1"
    const std::array<std::size_t, 4> least = {address_bytes, address_bytes, 1, 1};
    const auto words = static_cast<std::size_t>(std::ranges::count(behind_family, ' '));
    if (words >= least.size()) return 1;  // which is malformed
    const std::size_t begun = behind_family.size() - (behind_family.rfind(' ') + 1);
    std::size_t left = least[words] > begun ? least[words] - begun : 0;
    for (std::size_t each = words + 1; each < least.size(); ++each)
        left += 1 + least[each];
    return left + 2;
}

std::string_view take_word(std::string_view& line) noexcept {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

bool is_port(std::string_view text) noexcept {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size();
}

std::optional<address> address_of(std::string_view host, std::string_view port, bool six) noexcept {
    if (host.find_first_not_of(six ? "0123456789abcdefABCDEF:." : "0123456789.") != host.npos ||
        host.empty() || host.size() > 45 || !is_port(port) || port.size() > 5)
        return std::nullopt;
    std::array<char, 64> whole;
    char* at = whole.data();
    const auto put = [&at](std::string_view piece) { at = std::ranges::copy(piece, at).out; };
    if (six) put("[");
    put(host);
    put(six ? "]:" : ":");
    put(port);
    const auto parsed = address::parse({whole.data(), static_cast<std::size_t>(at - whole.data())});
    return parsed ? std::optional(*parsed) : std::nullopt;
}

}  // namespace

bool proxy_header::is_2() const noexcept { return size_ > 0 && kept_[0] == signature_2[0]; }

std::size_t proxy_header::size_of_2() const noexcept {
    const auto byte = [this](std::size_t at) { return static_cast<unsigned char>(kept_[at]); };
    return fixed_2 + (std::size_t{byte(14)} << 8 | byte(15));
}

std::size_t proxy_header::wants() const noexcept {
    if (is_2() && size_ >= fixed_2) return size_of_2() - size_;
    if (is_2() || size_ == 0) return (is_2() ? fixed_2 : shortest_1.size()) - size_;
    if (size_ < shortest_1.size()) return shortest_1.size() - size_;
    if (kept_[size_ - 1] == '\r') return 1;
    if (text().starts_with(unknown_1)) return 2;
    return least_left_1(text().substr(std::string_view("PROXY TCP4 ").size()), text()[9] == '6');
}

proxy_header::state proxy_header::take(std::string_view bytes) noexcept {
    if (size_ < kept_.size())
        std::ranges::copy(bytes.substr(0, kept_.size() - size_), kept_.begin() + static_cast<long>(size_));
    size_ += bytes.size();
    return is_2() ? read_2() : read_1();
}

proxy_header::state proxy_header::read_1() noexcept {
    std::string_view line = text();
    const std::string_view begins = line.substr(0, unknown_1.size());
    const auto may_be = [begins](std::string_view wanted) {
        return wanted.starts_with(begins.substr(0, wanted.size()));
    };
    if (!may_be("PROXY TCP4 ") && !may_be("PROXY TCP6 ") && !may_be(unknown_1)) return state::malformed;
    if (size_ < shortest_1.size()) return state::need_more;
    if (const std::size_t feed = line.find('\n'); feed == std::string_view::npos) {
        const std::size_t end = line.find('\r');
        if (end != std::string_view::npos && end + 1 != line.size()) return state::malformed;
        return size_ + wants() > longest_1 ? state::malformed : state::need_more;
    } else if (feed + 1 != size_ || line[feed - 1] != '\r') {
        return state::malformed;
    }
    line.remove_suffix(2);
    if (line.starts_with(unknown_1)) {
        of_the_proxy_ = true;
        const std::string_view rest = line.substr(unknown_1.size());
        return rest.empty() || rest.front() == ' ' ? state::complete : state::malformed;
    }
    line.remove_prefix(begin_1.size());
    const bool six = take_word(line) == "TCP6";
    const std::string_view from = take_word(line);
    const std::string_view to = take_word(line);
    const std::string_view from_port = take_word(line);
    client_ = address_of(from, from_port, six);
    return client_ && address_of(to, line, six) ? state::complete : state::malformed;
}

proxy_header::state proxy_header::read_2() noexcept {
    const std::size_t compared = std::min(size_, signature_2.size());
    if (text().substr(0, compared) != signature_2.substr(0, compared)) return state::malformed;
    if (size_ < fixed_2) return state::need_more;
    const auto version_and_command = static_cast<unsigned char>(kept_[12]);
    const auto family = static_cast<unsigned char>(kept_[13]);
    const bool is_local = version_and_command == 0x20;
    if (!is_local && version_and_command != 0x21) return state::malformed;
    const std::size_t all = size_of_2();
    if (all > limits::proxy_header_bytes) return state::malformed;
    const bool four = family == 0x11;
    const bool six = family == 0x21;
    const bool of_the_host = family == 0x31;
    if (!is_local && !four && !six && !of_the_host && family != 0x00) return state::malformed;
    const std::size_t needed = is_local ? 0 : four ? 12u : six ? 36u : of_the_host ? 216u : 0u;
    if (all - fixed_2 < needed) return state::malformed;
    if (size_ < all) return state::need_more;
    of_the_proxy_ = is_local || family == 0x00;
    const char* const at = kept_.data() + fixed_2;
    if (!is_local && four) {
        sockaddr_in of{};
        of.sin_family = AF_INET;
        std::memcpy(&of.sin_addr, at, 4);
        std::memcpy(&of.sin_port, at + 8, 2);
        if (const auto made = address::of(&of, sizeof of)) client_ = *made;
    } else if (!is_local && six) {
        sockaddr_in6 of{};
        of.sin6_family = AF_INET6;
        std::memcpy(&of.sin6_addr, at, 16);
        std::memcpy(&of.sin6_port, at + 32, 2);
        if (const auto made = address::of(&of, sizeof of)) client_ = *made;
    }
    if (!is_local) read_additions(text().substr(fixed_2 + needed));
    return state::complete;
}

namespace {

// A type, a length of two bytes, and the value. Nothing at the end, or where the length is no such.
struct addition {
    std::uint8_t type;
    std::string_view value;
};
std::optional<addition> take_addition(std::string_view& left) noexcept {
    if (left.size() < 3) return std::nullopt;
    const auto byte = [&left](std::size_t at) { return static_cast<unsigned char>(left[at]); };
    const std::size_t size = std::size_t{byte(1)} << 8 | byte(2);
    if (left.size() - 3 < size) return std::nullopt;
    const addition taken{byte(0), left.substr(3, size)};
    left.remove_prefix(3 + size);
    return taken;
}

constexpr std::uint8_t type_unique_id = 0x05;
constexpr std::uint8_t type_tls = 0x20;
constexpr std::uint8_t subtype_tls_version = 0x21;
constexpr std::size_t most_unique_id = 128;
constexpr std::size_t most_tls_version = 16;

}  // namespace

void proxy_header::read_additions(std::string_view behind_addresses) noexcept {
    while (const auto each = take_addition(behind_addresses)) {
        if (each->type == type_unique_id && each->value.size() <= most_unique_id) unique_id_ = each->value;
        if (each->type == type_tls) read_tls(each->value);
    }
}

// One byte of flags, the first of which says that it is TLS; four on the client's certificate; more
// additions.
void proxy_header::read_tls(std::string_view value) noexcept {
    constexpr std::size_t fixed = 5;
    if (value.size() < fixed || (static_cast<unsigned char>(value.front()) & 1) == 0) return;
    secure_ = true;
    value.remove_prefix(fixed);
    while (const auto each = take_addition(value)) {
        if (each->type == subtype_tls_version && each->value.size() <= most_tls_version)
            tls_version_ = each->value;
    }
}

}  // namespace naru::http
