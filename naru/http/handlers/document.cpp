#include <naru/http/handlers/document.hpp>

#include <naru/http/handlers/content_hash.hpp>
#include <naru/http/handlers/listing.hpp>
#include <naru/http/handlers/mime.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/message/date.hpp>
#include <naru/http/message/path.hpp>
#include <naru/loop/environment.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <span>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr std::array<std::string_view, coding_count> suffixes = {".zst", ".br", ".gz", ""};

constexpr std::array<std::string_view, coding_count> tag_endings = {"-zstd", "-br", "-gzip", ""};

constexpr std::size_t index_of(coding which) noexcept { return static_cast<std::size_t>(which); }
constexpr auto identity = index_of(coding::identity);

// The content, if it is to be kept, and its hash.
result<void> read_once(lent_descriptor file, representation& into, std::uint64_t& hash,
                       directory_root::blocking may_block) {
    content_hash made;
    const std::uint64_t size = into.status.size;
    into.content.clear();
    if (size <= limits::cached_file_bytes) {
        if (const auto read = read_whole(file, size, may_block, into.content); !read)
            return fail(read.error());
        made.add(into.content);
    } else {
        const auto piece = std::make_unique_for_overwrite<char[]>(limits::cached_file_bytes);
        for (std::uint64_t offset = 0; offset < size;) {
            const std::uint64_t most = std::min<std::uint64_t>(size - offset, limits::cached_file_bytes);
            const std::span<char> next(piece.get(), static_cast<std::size_t>(most));
            if (const auto read = read_at(file, offset, may_block, next); !read) return fail(read.error());
            made.add({next.data(), next.size()});
            offset += most;
        }
    }
    hash = made.value();
    return {};
}

// Read, and looked at again: what was written meanwhile is read once more. A file that never rests is taken
// as it was found the last time, and not relied on.
result<void> read_content(lent_descriptor file, representation& into, std::uint64_t most, std::uint64_t& hash,
                          directory_root::blocking may_block) {
    for (unsigned attempt = 1;; ++attempt) {
        const std::int64_t begun = environment::current().unix_seconds();
        const auto read = read_once(file, into, hash, may_block);
        const bool shorter = !read && read.error().value() == EIO;
        if (!read && !(shorter && attempt < limits::reads_of_a_changing_file)) return fail(read.error());
        const auto after = status_of(file);
        if (!after) return fail(after.error());
        into.settled = begun - into.status.changed.seconds > limits::file_time_granule.count();
        if (read && *after == into.status) return {};
        into.settled = false;
        if (attempt == limits::reads_of_a_changing_file || after->size > most) return read;
        into.status = *after;
    }
}

// Where the tag is made of a hash it is so for every file of that size, whatever is in a cache.
result<std::unique_ptr<representation>> load_representation(unique_descriptor file, const file_status& status,
                                                            coding which, const files_options& options,
                                                            directory_root::blocking may_block) {
    auto made = std::make_unique<representation>();
    made->status = status;
    const std::uint64_t most = std::max<std::uint64_t>(options.hash_up_to, limits::cached_file_bytes);
    std::uint64_t hash = 0;
    if (status.size <= most) {
        if (may_block == directory_root::blocking::no && status.size > limits::hashed_at_once_bytes)
            return fail_errno(EAGAIN);
        if (const auto read = read_content(file, *made, most, hash, may_block); !read)
            return fail(read.error());
    }
    if (made->status.size > limits::cached_file_bytes) made->file = std::move(file);
    const file_status& found = made->status;
    // The coding is in it: two may have the same bytes and are other representations all the same. Else the
    // time to the nanosecond: the same on every thread and after a restart.
    made->etag = found.size <= options.hash_up_to
                     ? fmt::format("\"{:016x}-{:x}{}\"", hash, found.size, tag_endings[index_of(which)])
                     : fmt::format("\"{:x}-{:x}-{:x}{}\"", static_cast<std::uint64_t>(found.modified.seconds),
                                   found.modified.nanoseconds, found.size, tag_endings[index_of(which)]);
    return made;
}

// A sibling that is older was made of something else.
bool is_sibling(const file_status& status, const file_status& of) noexcept {
    return status.kind == file_kind::regular && status.modified >= of.modified;
}

// The file at `path` with its precompressed siblings.
result<std::unique_ptr<document>> load_file(const directory_root& root, const std::string& path,
                                            unique_descriptor file, const file_status& status,
                                            const files_options& options,
                                            directory_root::blocking may_block) {
    auto made = std::make_unique<document>();
    made->content_type = content_type_of(std::string_view(path).substr(path.rfind('/') + 1), options.types);
    auto plain = load_representation(std::move(file), status, coding::identity, options, may_block);
    if (!plain) return fail(plain.error());
    made->codings[identity] = std::move(*plain);
    for (std::size_t index = 0; index < identity; ++index) {
        auto sibling = root.open_beneath(path + std::string(suffixes[index]), may_block);
        if (!sibling) {
            if (sibling.error().value() == EAGAIN) return fail(sibling.error());
            continue;
        }
        const auto its_status = status_of(*sibling);
        if (!its_status || !is_sibling(*its_status, made->codings[identity]->status)) continue;
        auto coded = load_representation(std::move(*sibling), *its_status, static_cast<coding>(index),
                                         options, may_block);
        if (!coded) return fail(coded.error());
        made->codings[index] = std::move(*coded);
        made->varies = true;
    }
    for (std::size_t index = 0; index < coding_count; ++index) {
        if (made->codings[index])
            prepare(*made->codings[index], static_cast<coding>(index), made->content_type, made->varies);
    }
    return made;
}

result<std::unique_ptr<document>> directory_document(document::kind is) {
    auto made = std::make_unique<document>();
    made->is = is;
    return made;
}

// The index is asked for by its name: the directory need not be readable.
result<std::unique_ptr<document>> load_index(const directory_root& root, const std::string& directory,
                                             const files_options& options,
                                             directory_root::blocking may_block) {
    const std::string path = directory + "index.html";
    if (auto file = root.open_beneath(path, may_block); file) {
        const auto status = status_of(*file);
        if (!status) return fail(status.error());
        if (status->kind == file_kind::regular)
            return load_file(root, path, std::move(*file), *status, options, may_block);
        if (status->kind == file_kind::other) return fail_errno(EACCES);
    } else if (file.error().value() != ENOENT) {
        return fail(file.error());
    }
    const auto itself = root.open_beneath(directory, may_block, directory_root::purpose::look);
    if (!itself) return fail(itself.error());
    return directory_document(document::kind::unlisted);
}

}  // namespace

// The answer to a plain GET, written once. The Date is put in when it is sent.
void prepare(representation& of, coding which, std::string_view content_type, bool varies) {
    std::string ready = "HTTP/1.1 200 OK\r\nServer: naru\r\nDate: ";
    const auto date_offset = static_cast<std::uint32_t>(ready.size());
    ready.append(date_length, ' ');
    fmt::format_to(std::back_inserter(ready), "\r\nContent-Type: {}\r\nContent-Length: {}\r\n", content_type,
                   of.status.size);
    if (const auto seconds = of.last_modified()) {
        const auto modified = format_last_modified(*seconds);
        fmt::format_to(std::back_inserter(ready), "Last-Modified: {}\r\n",
                       std::string_view(modified.data(), modified.size()));
    }
    fmt::format_to(std::back_inserter(ready), "ETag: {}\r\nAccept-Ranges: bytes\r\n", of.etag);
    if (varies) ready += "Vary: Accept-Encoding\r\n";
    if (which != coding::identity)
        fmt::format_to(std::back_inserter(ready), "Content-Encoding: {}\r\n", name_of(which));
    ready += "\r\n";
    const auto head_size = static_cast<std::uint32_t>(ready.size());
    if (of.status.size <= limits::copied_body_bytes) ready += of.content;
    ready.shrink_to_fit();
    of.ready = std::move(ready);  // all of it, or what was there before
    of.date_offset = date_offset;
    of.head_size = head_size;
}

std::string_view name_of(coding which) noexcept {
    switch (which) {
        case coding::zstd:
            return "zstd";
        case coding::brotli:
            return "br";
        case coding::gzip:
            return "gzip";
        case coding::identity:
            break;
    }
    return "identity";
}

std::array<bool, coding_count> document::available() const noexcept {
    std::array<bool, coding_count> there{};
    for (std::size_t index = 0; index < coding_count; ++index)
        there[index] = codings[index] != nullptr;
    return there;
}

std::size_t document::bytes_in_memory() const noexcept {
    std::size_t bytes = sizeof *this + text.size();
    for (const auto& each : codings) {
        if (each) bytes += sizeof *each + each->content.size() + each->ready.size();
    }
    return bytes;
}

unsigned document::descriptors() const noexcept {
    unsigned open = 0;
    for (const auto& each : codings)
        open += each && each->file;
    return open;
}

result<std::unique_ptr<document>> load_document(const directory_root& root, const std::string& path,
                                                const files_options& options,
                                                directory_root::blocking may_block) {
    if (path.empty() || path.back() == '/') return load_index(root, path, options, may_block);
    auto opened = root.open_beneath(path, may_block);
    const std::error_code refusal = opened ? std::error_code() : opened.error();
    if (refusal.value() == EACCES)  // a directory that may be searched only?
        opened = root.open_beneath(path, may_block, directory_root::purpose::look);
    if (!opened) return fail(opened.error());
    const auto status = status_of(*opened);
    if (!status) return fail(status.error());
    if (status->kind == file_kind::directory) return directory_document(document::kind::directory);
    if (refusal) return fail(refusal);
    if (status->kind == file_kind::other) return fail_errno(EACCES);
    return load_file(root, path, std::move(*opened), *status, options, may_block);
}

result<std::unique_ptr<document>> list_directory(const directory_root& root, const std::string& path,
                                                 bool with_dotfiles) {
    const auto directory =
        root.open_beneath(path, directory_root::blocking::yes, directory_root::purpose::look);
    if (!directory) return fail(directory.error());
    const auto shows = [&](std::string_view name) {
        return with_dotfiles || !name.starts_with('.') || !has_dotfile(path + std::string(name));
    };
    const auto listing = read_directory(root, path, *directory, limits::listing_entries, shows);
    if (!listing) return fail(listing.error());
    auto made = directory_document(document::kind::listing);
    (*made)->text = listing_page(path, *listing);
    (*made)->text.shrink_to_fit();  // it may be held for long, and counts by its size
    return made;
}

bool is_shortage(const std::error_code& error) noexcept {
    return error.value() == EMFILE || error.value() == ENFILE || error.value() == ENOMEM;
}

result<bool> is_current(const directory_root& root, const std::string& path, const document& loaded,
                        directory_root::blocking may_block) {
    if (loaded.is != document::kind::file) return false;
    const std::string file = path.empty() || path.back() == '/' ? path + "index.html" : path;
    for (std::size_t index = 0; index < coding_count; ++index) {
        const representation* had = loaded.codings[index].get();
        if (had != nullptr && had->made) had = nullptr;  // of what lies there as it is
        if (had != nullptr && !had->settled) return false;
        auto opened = root.open_beneath(file + std::string(suffixes[index]), may_block);
        if (!opened) {
            if (opened.error().value() == EAGAIN || is_shortage(opened.error())) return fail(opened.error());
            if (had != nullptr) return false;
            continue;
        }
        const auto status = status_of(*opened);
        if (!status) return fail(status.error());
        if (had != nullptr ? *status != had->status : is_sibling(*status, loaded.codings[identity]->status))
            return false;
    }
    return true;
}

}  // namespace naru::http
