#include <naru/os/unix_address.hpp>

#include <naru/os/os_sockets.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace naru {

namespace {

constexpr std::size_t name_offset = sizeof(std::uint16_t);  // of sun_path, on Linux and Windows alike

}  // namespace

unix_address::unix_address() noexcept {
    sockaddr header{};
    header.sa_family = AF_UNIX;
    std::memcpy(storage_.data(), &header, name_offset);
}

result<unix_address> unix_address::path(std::string_view name) noexcept {
    if (name.empty() || name.find('\0') != std::string_view::npos) return fail_errno(EINVAL);
    if (name.size() > longest) return fail_errno(ENAMETOOLONG);
    unix_address made;
    std::memcpy(made.storage_.data() + name_offset, name.data(), name.size());
    made.size_ = static_cast<std::uint32_t>(name_offset + name.size() + 1);
    return made;
}

result<unix_address> unix_address::abstract(std::string_view name) noexcept {
    if (name.empty()) return fail_errno(EINVAL);
    if (name.size() > longest) return fail_errno(ENAMETOOLONG);
    unix_address made;
    std::memcpy(made.storage_.data() + name_offset + 1, name.data(), name.size());
    made.size_ = static_cast<std::uint32_t>(name_offset + 1 + name.size());
    return made;
}

result<unix_address> unix_address::parse(std::string_view text) noexcept {
    return text.starts_with('@') ? abstract(text.substr(1)) : path(text);
}

result<unix_address> unix_address::of(const void* sockaddr_bytes, std::uint32_t size) noexcept {
    unix_address made;
    if (size < name_offset || size > made.storage_.size() ||
        std::memcmp(sockaddr_bytes, made.storage_.data(), name_offset) != 0)
        return fail_errno(EAFNOSUPPORT);
    std::memcpy(made.storage_.data(), sockaddr_bytes, size);
    made.size_ = size;
    // A path may come with its terminating zero or without, as it was bound.
    if (size > name_offset && !made.is_abstract()) return path(made.name());
    return made;
}

result<unix_address> unix_address::local_of(int socket) noexcept {
    return ask_name<unix_address>(socket, ::getsockname);
}

result<unix_address> unix_address::peer_of(int socket) noexcept {
    return ask_name<unix_address>(socket, ::getpeername);
}

bool unix_address::is_abstract() const noexcept {
    return size_ > name_offset && storage_[name_offset] == std::byte{0};
}

std::string_view unix_address::name() const noexcept {
    if (is_unnamed()) return {};
    const std::string_view whole(reinterpret_cast<const char*>(storage_.data()) + name_offset,
                                 size_ - name_offset);
    return is_abstract() ? whole.substr(1) : whole.substr(0, std::min(whole.find('\0'), whole.size()));
}

std::string unix_address::text() const { return (is_abstract() ? "@" : "") + std::string(name()); }

bool unix_address::operator==(const unix_address& other) const noexcept {
    return is_abstract() == other.is_abstract() && name() == other.name();
}

}  // namespace naru
