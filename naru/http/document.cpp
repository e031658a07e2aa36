#include <naru/http/document.hpp>

#include <naru/http/date.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/listing.hpp>
#include <naru/http/mime.hpp>

#include <cerrno>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr std::array<std::string_view, coding_count> suffixes = {".zst", ".br", ".gz", ""};

result<std::unique_ptr<representation>> load_representation(unique_descriptor file, const file_status& status,
                                                            directory_root::blocking may_block) {
    auto made = std::make_unique<representation>();
    made->status = status;
    // Size and modification time to the nanosecond: strong enough, and the same on every thread and restart.
    made->etag = fmt::format("\"{:x}-{:x}-{:x}\"", static_cast<std::uint64_t>(status.modified.seconds),
                             status.modified.nanoseconds, status.size);
    if (status.size <= limits::cached_file_bytes) {
        if (auto read = read_whole(file.get(), status.size, may_block, made->content); !read)
            return fail(read.error());
    } else {
        made->file = std::move(file);
    }
    return made;
}

// The answer to a plain GET, written once. The Date is put in when it is sent.
void prepare(representation& of, coding which, std::string_view content_type, bool varies) {
    std::string& ready = of.ready;
    ready = "HTTP/1.1 200 OK\r\nServer: naru\r\nDate: ";
    of.date_offset = static_cast<std::uint32_t>(ready.size());
    ready.append(date_length, ' ');
    const auto modified = format_last_modified(of.status.modified.seconds);
    fmt::format_to(std::back_inserter(ready),
                   "\r\nContent-Type: {}\r\nContent-Length: {}\r\nLast-Modified: {}\r\nETag: {}\r\n"
                   "Accept-Ranges: bytes\r\n",
                   content_type, of.status.size, std::string_view(modified.data(), modified.size()), of.etag);
    if (varies) ready += "Vary: Accept-Encoding\r\n";
    if (which != coding::identity)
        fmt::format_to(std::back_inserter(ready), "Content-Encoding: {}\r\n", name_of(which));
    ready += "\r\n";
    of.head_size = static_cast<std::uint32_t>(ready.size());
    if (of.status.size <= limits::copied_body_bytes) ready += of.content;
    ready.shrink_to_fit();
}

// The file at `path` with its precompressed siblings.
result<std::unique_ptr<document>> load_file(const directory_root& root, const std::string& path,
                                            unique_descriptor file, const file_status& status,
                                            directory_root::blocking may_block) {
    auto made = std::make_unique<document>();
    made->content_type = content_type_of(std::string_view(path).substr(path.rfind('/') + 1));
    auto plain = load_representation(std::move(file), status, may_block);
    if (!plain) return fail(plain.error());
    made->codings[static_cast<std::size_t>(coding::identity)] = std::move(*plain);
    for (std::size_t index = 0; index < static_cast<std::size_t>(coding::identity); ++index) {
        auto sibling = root.open_beneath(path + std::string(suffixes[index]), may_block);
        if (!sibling) {
            if (sibling.error().value() == EAGAIN) return fail(sibling.error());
            continue;
        }
        const auto its_status = status_of(sibling->get());
        if (!its_status || its_status->kind != file_kind::regular) continue;
        auto coded = load_representation(std::move(*sibling), *its_status, may_block);
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

result<std::unique_ptr<document>> load_directory(const directory_root& root, const std::string& path,
                                                 const unique_descriptor& directory, bool listings,
                                                 directory_root::blocking may_block) {
    auto made = std::make_unique<document>();
    if (!path.empty() && path.back() != '/') {
        made->is = document::kind::directory;
        return made;
    }
    const std::string index = path + "index.html";
    if (auto file = root.open_beneath(index, may_block); file) {
        const auto status = status_of(file->get());
        if (status && status->kind == file_kind::regular)
            return load_file(root, index, std::move(*file), *status, may_block);
    } else if (file.error().value() == EAGAIN) {
        return fail(file.error());
    }
    if (!listings) return fail_errno(EACCES);
    if (may_block == directory_root::blocking::no) return fail_errno(EAGAIN);
    auto entries = read_directory(root, path, directory.get(), limits::listing_entries);
    if (!entries) return fail(entries.error());
    made->is = document::kind::listing;
    const bool cut = entries->size() == limits::listing_entries;
    made->text = listing_page(path, std::move(*entries), cut);
    return made;
}

}  // namespace

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
                                                bool listings, directory_root::blocking may_block) {
    auto opened = root.open_beneath(path, may_block);
    if (!opened) return fail(opened.error());
    const auto status = status_of(opened->get());
    if (!status) return fail(status.error());
    switch (status->kind) {
        case file_kind::directory:
            return load_directory(root, path, *opened, listings, may_block);
        case file_kind::regular:
            return load_file(root, path, std::move(*opened), *status, may_block);
        case file_kind::other:
            break;
    }
    return fail_errno(EACCES);
}

result<bool> is_current(const directory_root& root, const std::string& path, const document& loaded) {
    if (loaded.is != document::kind::file) return false;
    const std::string file = path.empty() || path.back() == '/' ? path + "index.html" : path;
    for (std::size_t index = 0; index < coding_count; ++index) {
        const representation* had = loaded.codings[index].get();
        auto opened = root.open_beneath(file + std::string(suffixes[index]), directory_root::blocking::no);
        if (!opened) {
            if (opened.error().value() == EAGAIN) return fail(opened.error());
            if (had != nullptr) return false;
            continue;
        }
        const auto status = status_of(opened->get());
        if (!status) return fail(status.error());
        const bool regular = status->kind == file_kind::regular;
        if (had == nullptr ? regular : !regular || *status != had->status) return false;
    }
    return true;
}

}  // namespace naru::http
