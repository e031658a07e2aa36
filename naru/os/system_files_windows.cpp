#include <naru/os/system_files.hpp>

#include <naru/core/limits.hpp>
#include <naru/os/first_entries.hpp>
#include <naru/os/reserved_names.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/os/windows_files.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <fcntl.h>

namespace naru {

namespace {

using windows::handle_of;

constexpr std::int64_t would_block = outcome::from_errno(EAGAIN);
constexpr DWORD share_all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

// From 100 ns since 1601.
file_time time_from(std::int64_t ticks) noexcept {
    constexpr std::int64_t epoch = 116'444'736'000'000'000;
    constexpr std::int64_t second = 10'000'000;
    const std::int64_t since = ticks - epoch;
    const std::int64_t within = (since % second + second) % second;
    return {(since - within) / second, static_cast<std::uint32_t>(within * 100)};
}

file_kind kind_from(DWORD attributes) noexcept {
    if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0) return file_kind::other;
    return (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ? file_kind::directory : file_kind::regular;
}

// One component, by the native call: it opens relative to a directory, and none of the Win32 names (devices,
// dropped dots) exist for it. A link is opened as itself and then refused.
result<unique_descriptor> open_component(int directory, std::wstring& name, bool must_be_directory) noexcept {
    UNICODE_STRING text{};
    text.Buffer = name.data();
    text.Length = static_cast<USHORT>(name.size() * sizeof(wchar_t));
    text.MaximumLength = text.Length;
    OBJECT_ATTRIBUTES attributes{};
    attributes.Length = sizeof attributes;
    attributes.RootDirectory = handle_of(directory);
    attributes.ObjectName = &text;
    attributes.Attributes = OBJ_CASE_INSENSITIVE;
    IO_STATUS_BLOCK status_block{};
    HANDLE opened = nullptr;
    const ULONG options = FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_REPARSE_POINT |
                          FILE_OPEN_FOR_BACKUP_INTENT | (must_be_directory ? FILE_DIRECTORY_FILE : 0);
    const NTSTATUS status = NtCreateFile(&opened, GENERIC_READ | SYNCHRONIZE, &attributes, &status_block,
                                         nullptr, 0, share_all, FILE_OPEN, options, nullptr, 0);
    if (status < 0) return fail_errno(windows::errno_of_status(status));
    unique_descriptor made(windows::descriptor_of(opened));
    FILE_ATTRIBUTE_TAG_INFO info{};
    if (GetFileInformationByHandleEx(opened, FileAttributeTagInfo, &info, sizeof info) &&
        (info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0)
        return fail_errno(EXDEV);
    return made;
}

result<unique_descriptor> walk(int from, const std::string& path) noexcept try {
    unique_descriptor at;
    std::string_view left(path);
    std::wstring name;
    while (!left.empty()) {
        const std::size_t slash = left.find('/');
        const std::string_view component = left.substr(0, slash);
        left = slash == std::string_view::npos ? std::string_view() : left.substr(slash + 1);
        if (component.empty() || component == ".") continue;
        if (component == "..") return fail_errno(EXDEV);
        if (!is_plain_windows_name(component)) return fail_errno(ENOENT);
        if (component.size() > 255) return fail_errno(ENAMETOOLONG);
        if (!windows::to_wide(component, name)) return fail_errno(ENOENT);
        auto next = open_component(at ? at.get() : from, name, slash != std::string_view::npos);
        if (!next) return next;
        at = std::move(*next);
    }
    if (at) return at;
    name.clear();  // the directory itself
    return open_component(from, name, true);
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

}  // namespace

file_system& system_files() noexcept {
    static constinit system_file_system all;
    return all;
}

result<file_system::root> system_file_system::open_root(const std::string& path) noexcept try {
    const std::int64_t opened =
        windows::open_file(system_calls::current_directory, path, O_RDONLY, 0, windows::io::synchronous);
    if (opened < 0) return fail(outcome::to_error(opened));
    root made;
    made.directory.reset(static_cast<int>(opened));
    const auto status = status_of(made.directory.get());
    if (!status) return fail(status.error());
    if (status->kind != file_kind::directory) return fail_errno(ENOTDIR);
    made.path = path;  // relative, too: no other program can take the current directory away
    made.identity = *status;
    return made;
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<unique_descriptor> system_file_system::open_beneath(const root& of, const std::string& path,
                                                           blocking may_block,
                                                           purpose /*what_for*/) noexcept {
    if (may_block == blocking::no && !of.answers_at_once) return fail_errno(EAGAIN);
    return walk(of.directory.get(), path);
}

result<bool> system_file_system::is_in_place(const root& of, blocking may_block) noexcept {
    if (may_block == blocking::no) return fail_errno(EAGAIN);
    const auto there = open_root(of.path);
    if (!there) return fail(there.error());
    return there->identity.device == of.identity.device && there->identity.inode == of.identity.inode;
}

result<file_status> system_file_system::status_of(int file) noexcept {
    if (file < 0) return fail_errno(EBADF);
    BY_HANDLE_FILE_INFORMATION raw{};
    if (!GetFileInformationByHandle(handle_of(file), &raw))
        return fail(outcome::to_error(windows::last_file_outcome()));
    file_status status;
    status.kind =
        GetFileType(handle_of(file)) == FILE_TYPE_DISK ? kind_from(raw.dwFileAttributes) : file_kind::other;
    const auto wide = [](DWORD high, DWORD low) { return (static_cast<std::uint64_t>(high) << 32) | low; };
    status.size = wide(raw.nFileSizeHigh, raw.nFileSizeLow);
    status.device = raw.dwVolumeSerialNumber;
    status.inode = wide(raw.nFileIndexHigh, raw.nFileIndexLow);
    status.modified = time_from(static_cast<std::int64_t>(
        wide(raw.ftLastWriteTime.dwHighDateTime, raw.ftLastWriteTime.dwLowDateTime)));
    FILE_BASIC_INFO times{};
    status.changed = GetFileInformationByHandleEx(handle_of(file), FileBasicInfo, &times, sizeof times)
                         ? time_from(times.ChangeTime.QuadPart)
                         : status.modified;
    return status;
}

std::int64_t system_file_system::open_file(int directory, const char* path, int flags, unsigned mode,
                                           blocking may_block) noexcept {
    return may_block == blocking::no ? would_block : system_calls::open_file(directory, path, flags, mode);
}

std::int64_t system_file_system::read_file(int file, mutable_bytes into, std::uint64_t offset,
                                           blocking may_block) noexcept {
    return may_block == blocking::no ? would_block : system_calls::read_file(file, into, offset);
}

// A file that belongs to a completion port is not to tell it: hence an event, with its lowest bit set
// (GetQueuedCompletionStatus).
std::int64_t system_file_system::write_file(int file, bytes_view bytes, std::uint64_t offset,
                                            blocking may_block) noexcept {
    if (may_block == blocking::no) return would_block;
    if (file < 0) return outcome::from_errno(EBADF);
    const HANDLE event = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    if (event == nullptr) return outcome::from_errno(ENOMEM);
    std::int64_t result = 0;
    while (static_cast<std::size_t>(result) < bytes.size()) {
        const std::uint64_t at = offset + static_cast<std::uint64_t>(result);
        OVERLAPPED where{};
        where.Offset = static_cast<DWORD>(at);
        where.OffsetHigh = static_cast<DWORD>(at >> 32);
        where.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<std::uintptr_t>(event) | 1u);
        const bytes_view left = bytes.subspan(static_cast<std::size_t>(result));
        DWORD written = 0;
        const auto wanted = static_cast<DWORD>(std::min(left.size(), limits::bytes_per_call));
        const bool begun = WriteFile(handle_of(file), left.data(), wanted, nullptr, &where) != 0 ||
                           GetLastError() == ERROR_IO_PENDING;
        if (!begun || !GetOverlappedResult(handle_of(file), &where, &written, TRUE)) {
            result = windows::last_file_outcome();
            break;
        }
        result += written;
    }
    CloseHandle(event);
    return result;
}

std::int64_t system_file_system::sync_file(int file, bool /*data_only*/, blocking may_block) noexcept {
    if (may_block == blocking::no) return would_block;
    if (file < 0) return outcome::from_errno(EBADF);
    return FlushFileBuffers(handle_of(file)) ? 0 : windows::last_file_outcome();
}

std::int64_t system_file_system::read_status(int file, file_status& into, blocking may_block) noexcept {
    if (may_block == blocking::no) return would_block;
    const auto status = status_of(file);
    if (!status) return outcome::from(status.error());
    into = *status;
    return 0;
}

result<unique_descriptor> system_file_system::open_standard(standard_output which) noexcept {
    const HANDLE standard =
        GetStdHandle(which == standard_output::output ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE);
    HANDLE copy = nullptr;
    if (!DuplicateHandle(GetCurrentProcess(), standard, GetCurrentProcess(), &copy, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
        return fail(outcome::to_error(windows::last_file_outcome()));
    return unique_descriptor(windows::descriptor_of(copy));
}

result<unique_descriptor> system_file_system::open_log(const std::string& path) noexcept {
    if (path == "-") return open_standard(standard_output::output);
    const std::int64_t opened = windows::open_file(
        system_calls::current_directory, path, O_WRONLY | O_CREAT | O_APPEND, 0644, windows::io::synchronous);
    if (opened < 0) return fail(outcome::to_error(opened));
    return unique_descriptor(static_cast<int>(opened));
}

bool system_file_system::is_log_at(int /*log*/, const std::string& /*path*/) noexcept { return true; }

result<void> system_file_system::write_log(int log, std::string_view& text) noexcept {
    while (!text.empty()) {
        DWORD written = 0;
        const auto size = static_cast<DWORD>(std::min<std::size_t>(text.size(), 0x7fff'ffff));
        if (!WriteFile(handle_of(log), text.data(), size, &written, nullptr))
            return fail(outcome::to_error(windows::last_file_outcome()));
        text.remove_prefix(written);
    }
    return {};
}

result<directory_listing> system_file_system::read_directory(
    const root& /*of*/, const std::string& /*path*/, int directory, std::size_t limit,
    const std::function<bool(std::string_view)>& shows) {
    alignas(FILE_ID_BOTH_DIR_INFO) std::array<std::byte, 64 * 1024> batch;
    first_entries found(limit);
    std::size_t seen = 0;
    auto how = FileIdBothDirectoryRestartInfo;
    while (seen < limits::directory_entries) {
        if (!GetFileInformationByHandleEx(handle_of(directory), how, batch.data(),
                                          static_cast<DWORD>(batch.size()))) {
            if (GetLastError() == ERROR_NO_MORE_FILES) break;
            return fail(outcome::to_error(windows::last_file_outcome()));
        }
        how = FileIdBothDirectoryInfo;
        const std::byte* at = batch.data();
        while (++seen < limits::directory_entries) {
            const auto& each = *reinterpret_cast<const FILE_ID_BOTH_DIR_INFO*>(at);
            directory_entry entry;
            entry.name = windows::to_utf8({each.FileName, each.FileNameLength / sizeof(wchar_t)});
            // What could not be opened by its name is not shown; nor is a link, which is never followed.
            if (is_plain_windows_name(entry.name) && shows(entry.name) &&
                (each.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) {
                entry.status.kind = kind_from(each.FileAttributes);
                entry.status.size = static_cast<std::uint64_t>(each.EndOfFile.QuadPart);
                entry.status.modified = time_from(each.LastWriteTime.QuadPart);
                entry.status.changed = time_from(each.ChangeTime.QuadPart);
                entry.status.inode = static_cast<std::uint64_t>(each.FileId.QuadPart);
                found.add(std::move(entry));
            }
            if (each.NextEntryOffset == 0) break;
            at += each.NextEntryOffset;
        }
    }
    if (seen >= limits::directory_entries) found.cut();
    return found.take();
}

}  // namespace naru
