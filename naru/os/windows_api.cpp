#include <naru/os/windows_api.hpp>

#include <naru/core/check.hpp>

namespace naru::windows {

void start_winsock() noexcept {
    static const bool started = [] {
        WSADATA data{};
        return WSAStartup(MAKEWORD(2, 2), &data) == 0;
    }();
    if (!started) fatal("Winsock 2.2 is not there");
}

SOCKET make_socket(int family, int type) noexcept {
    start_winsock();
    const SOCKET made =
        WSASocketW(family, type, 0, nullptr, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (made == INVALID_SOCKET) return made;
    u_long on = 1;
    if (ioctlsocket(made, static_cast<long>(FIONBIO), &on) == 0) return made;
    const int error = WSAGetLastError();
    closesocket(made);
    WSASetLastError(error);
    return INVALID_SOCKET;
}

std::int64_t check_socket(SOCKET socket) noexcept {
    int type = 0;
    int size = sizeof type;
    const bool ok = getsockopt(socket, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) == 0;
    return ok ? 0 : last_socket_outcome();
}

bool to_wide(std::string_view text, std::wstring& wide) {
    wide.clear();
    if (text.empty()) return true;
    if (text.find('\0') != std::string_view::npos) return false;
    const int bytes = static_cast<int>(text.size());
    const int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), bytes, nullptr, 0);
    if (units <= 0) return false;
    wide.resize(static_cast<std::size_t>(units));
    return MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), bytes, wide.data(), units) ==
           units;
}

std::string to_utf8(std::wstring_view wide) {
    std::string text;
    if (wide.empty()) return text;
    const int units = static_cast<int>(wide.size());
    const int bytes = WideCharToMultiByte(CP_UTF8, 0, wide.data(), units, nullptr, 0, nullptr, nullptr);
    text.resize(static_cast<std::size_t>(bytes > 0 ? bytes : 0));
    WideCharToMultiByte(CP_UTF8, 0, wide.data(), units, text.data(), bytes, nullptr, nullptr);
    return text;
}

}  // namespace naru::windows
