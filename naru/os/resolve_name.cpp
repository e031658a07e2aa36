#include <naru/os/resolve_name.hpp>

#include <naru/os/os_sockets.hpp>

#include <algorithm>
#include <memory>

namespace naru {

namespace {

class resolve_category final : public std::error_category {
 public:
    const char* name() const noexcept override { return "resolver"; }
    std::string message(int code) const override {
        switch (static_cast<resolve_errc>(code)) {
            case resolve_errc::name_unknown:
                return "There is no such name, or it has no address";
            case resolve_errc::resolver_silent:
                return "The name servers do not answer";
            case resolve_errc::resolver_failed:
                return "The resolver failed";
        }
        return "An unknown error of the resolver";
    }
};

std::error_code error_of(int told, [[maybe_unused]] int system_error) noexcept {
    switch (told) {
#if defined(EAI_SYSTEM)
        case EAI_SYSTEM:
            return {system_error, errno_category()};
#endif
        case EAI_MEMORY:
            return {ENOMEM, errno_category()};
        case EAI_AGAIN:
            return resolve_errc::resolver_silent;
        case EAI_NONAME:
#if defined(EAI_NODATA) && EAI_NODATA != EAI_NONAME
        case EAI_NODATA:
#endif
            return resolve_errc::name_unknown;
        default:
            return resolve_errc::resolver_failed;
    }
}

}  // namespace

std::error_code make_error_code(resolve_errc code) noexcept {
    static const resolve_category category;
    return {static_cast<int>(code), category};
}

result<std::vector<address>> resolve_name(const std::string& host, std::uint16_t port, std::size_t most) {
    start_sockets();
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_NUMERICSERV;
    addrinfo* first = nullptr;
    errno = 0;
    const int told = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &first);
    if (told != 0) return fail(error_of(told, errno));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(first, &freeaddrinfo);
    std::vector<address> found;
    for (const addrinfo* each = first; each != nullptr && found.size() < most; each = each->ai_next) {
        const auto made = address::of(each->ai_addr, static_cast<std::uint32_t>(each->ai_addrlen));
        const auto same = [&](const address& other) { return other.text() == made->text(); };
        if (made && std::none_of(found.begin(), found.end(), same)) found.push_back(*made);
    }
    if (found.empty()) return fail(resolve_errc::name_unknown);
    return found;
}

}  // namespace naru
