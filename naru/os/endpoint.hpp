// Where one end of any kind of stream is.
#pragma once

#include <naru/os/address.hpp>
#include <naru/os/unix_address.hpp>

#include <string>
#include <variant>

namespace naru {

/// An Internet address, one of the UNIX domain, or none (a pipe).
class endpoint {
 public:
    endpoint() noexcept = default;
    endpoint(const address& internet) noexcept : where_(internet) {}
    endpoint(const unix_address& local) noexcept : where_(local) {}

    const address* internet() const noexcept { return std::get_if<address>(&where_); }
    const unix_address* local() const noexcept { return std::get_if<unix_address>(&where_); }

    /// As address::parse and unix_address::parse take it; empty if there is none.
    std::string text() const {
        if (const address* const found = internet()) return found->text();
        if (const unix_address* const found = local()) return found->text();
        return {};
    }

 private:
    std::variant<std::monostate, address, unix_address> where_;
};

}  // namespace naru
