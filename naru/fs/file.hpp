// A file in a loop, for coroutines. With handlers: loop/file_operation.hpp's operations on its handle.
//
//     auto log = co_await naru::file::open(loop, "notes", naru::open_for::writing_new());
//     if (!log) co_return log.error();
//     (void)co_await log->write("hello\n", 0);
//     (void)co_await log->sync();
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/owned_handle.hpp>
#include <naru/coro/request.hpp>
#include <naru/loop/file_operation.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace naru {

/// What a file is opened for, and what becomes of one that is there or is not.
class open_for {
 public:
    static open_for reading() noexcept { return open_for(access::read); }
    /// One that is there.
    static open_for writing() noexcept { return open_for(access::read_and_write); }
    /// Made if it is not there, emptied if it is.
    static open_for writing_anew() noexcept { return open_for(access::read_and_write).made().emptied(); }
    /// EEXIST if it is there.
    static open_for writing_new() noexcept { return open_for(access::read_and_write).made().alone(); }
    /// Made if it is not there; what is written goes behind the end, whoever else writes.
    static open_for appending() noexcept { return open_for(access::append).made(); }

    /// open(2)'s flags.
    int flags() const noexcept;
    /// Access rights of a file that is made, less the process's mask.
    open_for with_mode(unsigned bits) const noexcept {
        open_for same = *this;
        same.mode_ = bits;
        return same;
    }
    unsigned mode() const noexcept { return mode_; }

 private:
    enum class access : std::uint8_t { read, read_and_write, append };
    explicit open_for(access what) noexcept : access_(what) {}
    open_for& made() noexcept { return creates_ = true, *this; }
    open_for& emptied() noexcept { return empties_ = true, *this; }
    open_for& alone() noexcept { return alone_ = true, *this; }

    access access_;
    bool creates_ = false;
    bool empties_ = false;
    bool alone_ = false;
    unsigned mode_ = 0644;
};

/// Move-only; closes at the end of its life. Functions that return a request do nothing until it is awaited.
/// Several may be awaited at a time, and end in any order. None of them waits for the disk on the loop's
/// thread.
class file {
 public:
    class open_request;
    class read_request;
    class write_request;
    class sync_request;
    class status_request;

    /// result<file>. A relative path is taken from the current directory. Errors: open(2)'s, handle_limit.
    static open_request open(loop& on, std::string path, open_for how = open_for::reading()) noexcept;

    /// result<size_t>: bytes read into `memory` (any contiguous bytes, which must stay until then); 0 at the
    /// end of the file.
    template <class Memory>
        requires detail::writable_byte_range<Memory>
    read_request read(Memory&& memory, std::uint64_t offset) noexcept;
    /// result<size_t>: all of the bytes, which must stay until then.
    template <byte_source Source>
    write_request write(Source&& source, std::uint64_t offset) noexcept;
    /// result<void>: what was written is on the disk. `data_only`: but for the times.
    sync_request sync(bool data_only = false) noexcept;
    /// result<file_status>.
    status_request status() noexcept;
    /// Cancels and joins what is in flight, then closes.
    close_request close() noexcept { return close_request(std::move(owned_)); }

    /// For send_file and exchange::write_file, which take what this gives by itself, and for calls of one's
    /// own; see borrowed_descriptor.
    borrowed_descriptor borrow() const noexcept { return home().borrow(native()); }

    loop& home() const noexcept { return owned_.home(); }
    handle native() const noexcept { return owned_.get(); }

 private:
    explicit file(owned_handle opened) noexcept : owned_(std::move(opened)) {}
    owned_handle owned_;
};

class [[nodiscard]] file::open_request : public request<open_request> {
 public:
    open_request(loop& on, std::string path, open_for how) noexcept
        : home_(&on), path_(std::move(path)), how_(how) {}

    class awaiter : public operation_awaiter<open_file_operation> {
     public:
        explicit awaiter(open_request&& of) noexcept
            : operation_awaiter(*of.home_), path_(std::move(of.path_)), how_(of.how_) {}
        /// True if there is no handle for it.
        bool await_ready() noexcept;
        [[nodiscard]] naru::result<file> await_resume() noexcept;

     private:
        std::string path_;
        open_for how_;
        owned_handle handle_;
        std::error_code refusal_;
    };

 private:
    loop* home_;
    std::string path_;
    open_for how_;
};

class [[nodiscard]] file::read_request : public request<read_request> {
 public:
    read_request(loop& on, handle from, mutable_bytes memory, std::uint64_t offset) noexcept
        : home_(&on), from_(from), memory_(memory), offset_(offset) {}

    class awaiter : public operation_awaiter<read_file_operation> {
     public:
        explicit awaiter(read_request&& of) noexcept : operation_awaiter(*of.home_) {
            set(of.from_, of.memory_, of.offset_);
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept { return size_outcome(); }
    };

 private:
    loop* home_;
    handle from_;
    mutable_bytes memory_;
    std::uint64_t offset_;
};

class [[nodiscard]] file::write_request : public request<write_request> {
 public:
    write_request(loop& on, handle to, bytes_view bytes, std::uint64_t offset) noexcept
        : home_(&on), to_(to), bytes_(bytes), offset_(offset) {}

    class awaiter : public operation_awaiter<write_file_operation> {
     public:
        explicit awaiter(write_request&& of) noexcept : operation_awaiter(*of.home_) {
            set(of.to_, of.bytes_, of.offset_);
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept { return size_outcome(); }
    };

 private:
    loop* home_;
    handle to_;
    bytes_view bytes_;
    std::uint64_t offset_;
};

class [[nodiscard]] file::sync_request : public request<sync_request> {
 public:
    sync_request(loop& on, handle of, bool data_only) noexcept : home_(&on), of_(of), data_only_(data_only) {}

    class awaiter : public operation_awaiter<sync_file_operation> {
     public:
        explicit awaiter(sync_request&& of) noexcept : operation_awaiter(*of.home_) {
            set(of.of_, of.data_only_);
        }
        [[nodiscard]] naru::result<void> await_resume() const noexcept { return void_outcome(); }
    };

 private:
    loop* home_;
    handle of_;
    bool data_only_;
};

class [[nodiscard]] file::status_request : public request<status_request> {
 public:
    status_request(loop& on, handle of) noexcept : home_(&on), of_(of) {}

    class awaiter : public operation_awaiter<file_status_operation> {
     public:
        explicit awaiter(status_request&& of) noexcept : operation_awaiter(*of.home_) { set(of.of_); }
        [[nodiscard]] naru::result<file_status> await_resume() const noexcept {
            if (failed()) return fail(error());
            return file_status_operation::status;
        }
    };

 private:
    loop* home_;
    handle of_;
};

inline file::open_request file::open(loop& on, std::string path, open_for how) noexcept {
    return {on, std::move(path), how};
}
template <class Memory>
    requires detail::writable_byte_range<Memory>
file::read_request file::read(Memory&& memory, std::uint64_t offset) noexcept {
    static_assert(!detail::owned_bytes<Memory>,
                  "naru: memory to read into must outlive the read: pass a name or a span");
    return {home(), native(), writable_bytes_of(memory), offset};
}
template <byte_source Source>
file::write_request file::write(Source&& source, std::uint64_t offset) noexcept {
    static_assert(!detail::owned_bytes<Source>,
                  "naru: what is written must outlive the write: give it a name");
    return {home(), native(), bytes_of(source), offset};
}
inline file::sync_request file::sync(bool data_only) noexcept { return {home(), native(), data_only}; }
inline file::status_request file::status() noexcept { return {home(), native()}; }

}  // namespace naru
