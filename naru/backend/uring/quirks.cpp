#include <naru/backend/uring/quirks.hpp>

#include <charconv>
#include <utility>

#include <sys/utsname.h>

namespace naru {

namespace {

constexpr uring_quirk known[] = {
    {{6, 13, 11},
     {6, 14, 9},
     "receive bundles return buffers out of order",
     "axboe/liburing#1409, #1411",
     &uring_options::bundles},
    {{6, 6, 1},
     {6, 8, 0},
     "multishot accept may return a wrong descriptor under load",
     "axboe/liburing#1062",
     &uring_options::multishot_accept},
    {{6, 1, 7},
     {6, 1, 8},
     "multishot receive reports ENOBUFS while buffers are there",
     "axboe/liburing#778",
     &uring_options::multishot_recv},
};

const char* name_of(bool uring_options::* feature) noexcept {
    if (feature == &uring_options::bundles) return "receive bundles";
    if (feature == &uring_options::multishot_accept) return "multishot accept";
    return "multishot receive";
}

}  // namespace

kernel_version parse_kernel_version(std::string_view release) noexcept {
    kernel_version version{};
    const char* at = release.data();
    const char* const end = at + release.size();
    for (int& part : version) {
        const auto [rest, error] = std::from_chars(at, end, part);
        if (error != std::errc()) break;
        at = rest;
        if (at == end || *at != '.') break;
        ++at;
    }
    return version;
}

bool uring_quirk::switches_off(uring_options& options) const noexcept {
    return std::exchange(options.*feature, false);
}

std::string uring_quirk::text() const {
    return std::string("no ") + name_of(feature) + " (this kernel's " + fault + "; " + source + ")";
}

std::vector<uring_quirk> quirks_of(kernel_version version) {
    std::vector<uring_quirk> found;
    for (const uring_quirk& each : known) {
        if (version >= each.first && version < each.fixed) found.push_back(each);
    }
    return found;
}

std::vector<uring_quirk> quirks_of_this_kernel() {
    utsname name{};
    if (uname(&name) != 0) return {};
    return quirks_of(parse_kernel_version(name.release));
}

}  // namespace naru
