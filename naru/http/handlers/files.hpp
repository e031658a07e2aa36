// Files beneath a directory, as a handler.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/fs/files.hpp>
#include <naru/http/handlers/mime.hpp>
#include <naru/http/limits.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace naru::http {

struct files_options {
    bool listings = false;  ///< pages that show directories without an index
    bool dotfiles =
        false;  ///< serve and list names that begin with a dot; else `.well-known` at the top alone
    directory_root::links links = directory_root::links::inside;  ///< which symbolic links are followed
    std::vector<std::string> link_targets = {};   ///< directories that they may lead beneath, too
    std::chrono::milliseconds disk_time{10'000};  ///< for a look at the disk; then 503
    /// Text and the like of up to limits::encoded_file_bytes without a precompressed sibling is encoded when
    /// it is loaded, on a worker thread, and lies in the cache in all codings of this build. A listing, which
    /// is made for each who asks, has gzip.
    bool encode = false;
    /// The ETag of a file up to this size is a hash of its content, made when it is first asked for: the same
    /// on every replica, and another one for other content, whatever its times say. That of a larger one is
    /// made of its size and its time of modification.
    std::uint64_t hash_up_to = limits::hashed_file_bytes;
    /// Go before the built-in table of types.
    std::vector<content_type> types = {};
    /// A path beneath the directory, such as index.html: it answers, with 200, wherever nothing is. For
    /// applications that make their pages in the browser, whatever the address. Empty: 404.
    std::string fallback = {};
};

/// What a `files` serves: shared by the loops, each of which has a cache of its own.
struct files_source {
    std::shared_ptr<const directory_root> root;
    files_options options;
};

/// A handler for site::mount: GET, HEAD and OPTIONS of what lies beneath a directory, with index.html,
/// conditions, ranges, and files compressed beforehand.
class files {
 public:
    /// Opens the directory. Throws std::runtime_error with a sentence that says what is wrong.
    explicit files(const std::string& directory, files_options options = {});

    const std::shared_ptr<const files_source>& source() const noexcept { return source_; }

 private:
    std::shared_ptr<const files_source> source_;
};

}  // namespace naru::http
