#include <naru/os/unix_socket.hpp>

#include <cerrno>

namespace naru {

result<unique_descriptor> listen_on(const unix_address&, const unix_listen_options&) noexcept {
    return fail_errno(ENOTSUP);
}

std::optional<socket_file> socket_file::at(const unix_address&) noexcept { return std::nullopt; }

void socket_file::remove() noexcept {}

result<unique_descriptor> duplicate(const unique_descriptor&) noexcept { return fail_errno(ENOTSUP); }

result<unique_descriptor> unix_stream_socket(const unix_address&) noexcept { return fail_errno(ENOTSUP); }

result<std::pair<unique_descriptor, unique_descriptor>> unix_socket_pair() noexcept {
    return fail_errno(ENOTSUP);
}

}  // namespace naru
