#include <naru/os/windows_files.hpp>

#include <naru/core/result.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <new>

#include <fcntl.h>

namespace naru::windows {

namespace {

constexpr DWORD share_all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

DWORD access_of(int flags) noexcept {
    const DWORD writing = (flags & O_APPEND) != 0 ? FILE_APPEND_DATA | SYNCHRONIZE : GENERIC_WRITE;
    switch (flags & (O_RDONLY | O_WRONLY | O_RDWR)) {
        case O_WRONLY:
            return writing;
        case O_RDWR:
            return writing | GENERIC_READ;
        default:
            return GENERIC_READ;
    }
}

DWORD disposition_of(int flags) noexcept {
    if ((flags & O_CREAT) != 0) {
        if ((flags & O_EXCL) != 0) return CREATE_NEW;
        return (flags & O_TRUNC) != 0 ? CREATE_ALWAYS : OPEN_ALWAYS;
    }
    return (flags & O_TRUNC) != 0 ? TRUNCATE_EXISTING : OPEN_EXISTING;
}

// The directory's name with `path` behind it. Windows opens relative to a directory only by its native call,
// which knows no "..": the name is what open(2)'s callers expect.
bool join_to(int directory, std::wstring& path) {
    std::wstring base(MAX_PATH, L'\0');
    while (true) {
        const DWORD size = GetFinalPathNameByHandleW(handle_of(directory), base.data(),
                                                     static_cast<DWORD>(base.size()), FILE_NAME_NORMALIZED);
        if (size == 0) return false;
        const bool fits = size < base.size();
        base.resize(size);
        if (fits) break;
    }
    std::replace(path.begin(), path.end(), L'/', L'\\');  // names that begin with \\?\ are taken as they are
    path = base + L'\\' + path;
    return true;
}

}  // namespace

std::int64_t open_file(int directory, std::string_view path, int flags, unsigned mode, io how) noexcept try {
    std::wstring name;
    if (!to_wide(path, name)) return outcome::from_errno(EILSEQ);
    const bool absolute = path.starts_with('/') || path.starts_with('\\') || path.find(':') == 1;
    if (directory != system_calls::current_directory && !absolute) {
        if (directory < 0) return outcome::from_errno(EBADF);
        if (!join_to(directory, name)) return last_file_outcome();
    }
    DWORD attributes = FILE_FLAG_BACKUP_SEMANTICS;  // directories can be opened, too
    if ((flags & O_CREAT) != 0 && (mode & 0200) == 0) attributes |= FILE_ATTRIBUTE_READONLY;
    if (how == io::overlapped) attributes |= FILE_FLAG_OVERLAPPED;
    HANDLE const opened = CreateFileW(name.c_str(), access_of(flags), share_all, nullptr,
                                      disposition_of(flags), attributes, nullptr);
    return opened != INVALID_HANDLE_VALUE ? descriptor_of(opened) : last_file_outcome();
} catch (const std::bad_alloc&) {
    return outcome::from_errno(ENOMEM);
}

}  // namespace naru::windows
