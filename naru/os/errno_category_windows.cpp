#include <naru/core/result.hpp>

#include <cstring>
#include <string>

namespace naru {

namespace {

// The C run-time numbers errno up to ETXTBSY, but has words only for those of the 1980s.
class errno_values final : public std::error_category {
 public:
    const char* name() const noexcept override { return "errno"; }

    std::string message(int code) const override {
        switch (code) {
            case EADDRINUSE:
                return "Address already in use";
            case EADDRNOTAVAIL:
                return "Cannot assign requested address";
            case EAFNOSUPPORT:
                return "Address family not supported";
            case ECANCELED:
                return "Operation canceled";
            case ECONNABORTED:
                return "Software caused connection abort";
            case ECONNREFUSED:
                return "Connection refused";
            case ECONNRESET:
                return "Connection reset by peer";
            case EHOSTUNREACH:
                return "No route to host";
            case EINPROGRESS:
                return "Operation now in progress";
            case EISCONN:
                return "Socket is already connected";
            case ENETDOWN:
                return "Network is down";
            case ENETUNREACH:
                return "Network is unreachable";
            case ENOBUFS:
                return "No buffer space available";
            case ENOTCONN:
                return "Socket is not connected";
            case ENOTSOCK:
                return "Not a socket";
            case ENOTSUP:
            case EOPNOTSUPP:
                return "Operation not supported";
            case ETIMEDOUT:
                return "Connection timed out";
            default:
                return std::strerror(code);
        }
    }

    std::error_condition default_error_condition(int code) const noexcept override {
        return {code, std::generic_category()};
    }
};

}  // namespace

const std::error_category& errno_category() noexcept {
    static const errno_values instance;
    return instance;
}

}  // namespace naru
