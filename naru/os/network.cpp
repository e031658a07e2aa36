#include <naru/os/network.hpp>

#include <naru/os/os_sockets.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace naru {

namespace {

constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// The bits behind the first `length` are ones, or zeros.
host_bits with_tail(host_bits of, unsigned length, bool ones) noexcept {
    const unsigned all = of.ipv4 ? 32 : 128;
    for (unsigned bit = length; bit < all; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80u >> bit % 8);
        std::uint8_t& byte = of.bytes[bit / 8];
        byte = static_cast<std::uint8_t>(ones ? byte | mask : byte & ~mask);
    }
    return of;
}

// The one behind; false if there is none of that family.
bool step(host_bits& of) noexcept {
    for (std::size_t each = of.ipv4 ? 4 : 16; each-- > 0;) {
        if (++of.bytes[each] != 0) return true;
    }
    return false;
}

}  // namespace

host_bits host_bits::of(const address& from) noexcept {
    host_bits bits;
    if (from.family() == AF_INET) {
        bits.ipv4 = true;
        std::memcpy(bits.bytes.data(),
                    static_cast<const char*>(from.data()) + offsetof(sockaddr_in, sin_addr), 4);
    } else if (from.family() == AF_INET6) {
        std::memcpy(bits.bytes.data(),
                    static_cast<const char*>(from.data()) + offsetof(sockaddr_in6, sin6_addr), 16);
        if (std::equal(mapped.begin(), mapped.end(), bits.bytes.begin())) {
            std::array<std::uint8_t, 16> four{};
            std::copy_n(bits.bytes.begin() + 12, 4, four.begin());
            bits = {four, true};
        }
    }
    return bits;
}

result<network> network::parse(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    const std::string_view host = text.substr(0, slash);
    if (host.empty() || host.size() > 45 || host.find_first_not_of("0123456789abcdefABCDEF:.") != host.npos)
        return fail_errno(EINVAL);
    const bool six = host.find(':') != std::string_view::npos;
    std::array<char, 64> whole;  // as address::parse wants it
    char* at = whole.data();
    const auto put = [&at](std::string_view piece) { at = std::copy(piece.begin(), piece.end(), at); };
    if (six) put("[");
    put(host);
    put(six ? "]:0" : ":0");
    const auto parsed = address::parse({whole.data(), static_cast<std::size_t>(at - whole.data())});
    if (!parsed) return fail_errno(EINVAL);
    network made;
    made.first_ = host_bits::of(*parsed);
    const bool was_mapped = six && made.first_.ipv4;
    const unsigned all = six ? 128 : 32;
    made.length_ = all;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), made.length_);
        if (error != std::errc() || end != digits.data() + digits.size() || made.length_ > all)
            return fail_errno(EINVAL);
    }
    if (was_mapped) {
        if (made.length_ < 96) return fail_errno(EINVAL);
        made.length_ -= 96;
    }
    if (with_tail(made.first_, made.length_, false) != made.first_) return fail_errno(EINVAL);
    return made;
}

host_bits network::last() const noexcept { return with_tail(first_, length_, true); }

bool network::contains(const address& of) const noexcept {
    const host_bits bits = host_bits::of(of);
    return bits.ipv4 == first_.ipv4 && bits >= first_ && bits <= last();
}

std::string network::text() const {
    char shown[INET6_ADDRSTRLEN] = {};
    inet_ntop(is_ipv4() ? AF_INET : AF_INET6, first_.bytes.data(), shown, sizeof shown);
    return std::string(shown) + '/' + std::to_string(length_);
}

// From the least specific on, each covers what was there with what it says.
network_table::network_table(std::span<const entry> entries) {
    std::vector<entry> ordered;
    for (unsigned length = 0; length <= 128; ++length) {
        for (const entry& each : entries) {
            if (each.of.length() == length) ordered.push_back(each);
        }
    }
    std::vector<host_bits> borders;  // where what is said may change
    for (const entry& each : ordered) {
        borders.push_back(each.of.first());
        if (host_bits behind = each.of.last(); step(behind)) borders.push_back(behind);
    }
    const auto order = [](const host_bits& a, const host_bits& b) {
        return a.ipv4 != b.ipv4 ? a.ipv4 < b.ipv4 : a.bytes < b.bytes;
    };
    std::ranges::sort(borders, order);
    borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
    for (const host_bits& each : borders)
        ranges_.push_back({each, nothing});
    const auto first_at = [&](const host_bits& bits) {
        return std::ranges::lower_bound(ranges_, bits, order, &range::first);
    };
    for (const entry& each : ordered) {
        const host_bits last = each.of.last();
        for (auto at = first_at(each.of.first());
             at != ranges_.end() && at->first.ipv4 == last.ipv4 && at->first.bytes <= last.bytes; ++at)
            at->says = each.says;
    }
}

std::uint8_t network_table::at(const address& of, std::uint8_t otherwise) const noexcept {
    const host_bits bits = host_bits::of(of);
    const auto behind = std::ranges::upper_bound(
        ranges_, bits,
        [](const host_bits& a, const host_bits& b) {
            return a.ipv4 != b.ipv4 ? a.ipv4 < b.ipv4 : a.bytes < b.bytes;
        },
        &range::first);
    if (behind == ranges_.begin()) return otherwise;
    const range& found = *std::prev(behind);
    return found.first.ipv4 == bits.ipv4 && found.says != nothing ? static_cast<std::uint8_t>(found.says)
                                                                  : otherwise;
}

}  // namespace naru
